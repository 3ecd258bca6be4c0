import { describe, expect, it, test } from 'vitest';
import schema from '../../schema/rules.schema.json' with { type: 'json' };
import { optionNames, optionRanges } from '../../src/options/options.ts';
import { presets } from '../../src/options/presets.ts';
import { listed } from '../../src/options/show.ts';
import { compileRules } from '../../src/rules/rule.ts';

// The schema is for editors. What it says has to be what compileRules says.
const { rule, options, port } = schema.definitions;

describe('the schema of the rules', () => {
  it('has the same keys', () => {
    expect(Object.keys(options.properties)).toEqual(optionNames);
    for (const key of Object.keys(rule.properties)) {
      expect(() => compileRules([{ use: false, [key]: Symbol() }])).toThrow(`(rule 1, \`${key}\`)`);
    }
    expect(() => compileRules([{ use: false, other: 1 }])).toThrow(
      `Expected ${listed(Object.keys(rule.properties))}, got`,
    );
  });

  it('has the same presets', () => {
    expect(rule.properties.use.anyOf[1]).toEqual({ enum: Object.keys(presets) });
  });

  test.each(['initialDelay', 'interval', 'count'] as const)('has the same range of %s', (name) => {
    const { min, max } = optionRanges[name];
    expect(options.properties[name]).toMatchObject({ minimum: min, maximum: max });
  });

  it('has the same range of userTimeout', () => {
    const { min, max } = optionRanges.userTimeout;
    expect(options.properties.userTimeout.anyOf).toMatchObject([
      { enum: [0, 'auto'] },
      { minimum: min, maximum: max },
    ]);
  });

  it('has the same range of ports', () => {
    const compile = (number: number) => () => compileRules([{ port: number, use: false }]);
    for (const good of [port.minimum, port.maximum]) expect(compile(good)).not.toThrow();
    for (const bad of [port.minimum - 1, port.maximum + 1]) expect(compile(bad)).toThrow('Expected a port');
  });
});
