import { describe, expect, it, test } from 'vitest';
import schema from '../../schema/rules.schema.json' with { type: 'json' };
import { optionNames, optionRanges } from '../../src/options/options.ts';
import { presets } from '../../src/options/presets.ts';
import { listed } from '../../src/options/show.ts';
import { installKeepAlive } from '../../src/rules/install.ts';
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

  it('has the same keys beside the rules', () => {
    const { rules: _, $schema: __, ...others } = schema.properties;
    expect(Object.keys(others)).toEqual(['strict', 'reap']);
    for (const key of Object.keys(others)) {
      expect(() => installKeepAlive([], { [key]: Symbol() })).toThrow(`Expected \`${key}\` to be`);
    }
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

  test.each<{ port: unknown; fits: boolean }>([
    { port: '5000-5999', fits: true },
    { port: '5000', fits: false },
    { port: { from: 1, to: 2 }, fits: true },
    { port: { from: 1 }, fits: false },
    { port: { from: 1, to: 2, by: 1 }, fits: false },
    { port: [1, '2-3', { from: 4, to: 5 }], fits: true },
    { port: [], fits: false },
    { port: [[1, 2]], fits: false },
  ])('takes the same spellings of ports: $port', ({ port, fits }) => {
    const compile = () => compileRules([{ port, use: false }]);
    if (fits) expect(compile).not.toThrow();
    else expect(compile).toThrow();
    expect(fitsSchema(rule.properties.port, port)).toBe(fits);
  });
});

interface Schema {
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly type?: string;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** Whether a value is valid, by those words of JSON Schema that the ports are described with. */
function fitsSchema(by: Schema, value: unknown): boolean {
  const { definitions } = schema as unknown as { definitions: Record<string, Schema> };
  if (by.$ref) return fitsSchema(definitions[by.$ref.replace('#/definitions/', '')] ?? {}, value);
  if (by.anyOf) return by.anyOf.some((one) => fitsSchema(one, value));
  if (by.type === 'string') return typeof value === 'string' && new RegExp(by.pattern ?? '').test(value);
  if (by.type === 'integer') return Number.isInteger(value);
  const { items = {}, minItems = 0, properties = {}, required = [] } = by;
  if (by.type === 'array') {
    return Array.isArray(value) && value.length >= minItems && value.every((one) => fitsSchema(items, one));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return (
    required.every((key) => key in value) &&
    Object.entries(value).every(
      ([key, field]) => key in properties && fitsSchema(properties[key] ?? {}, field),
    )
  );
}
