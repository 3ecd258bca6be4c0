import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  answerOf,
  changed,
  type FieldName,
  type Fields,
  hashOf,
  problemsOf,
  stateOf,
  withOptions,
} from '../../site/page/state.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { type PresetName, presets } from '../../src/options/presets.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';

const first = stateOf('').fields;

function edited(...edits: readonly (readonly [FieldName, string])[]): Fields {
  return edits.reduce((fields, [name, text]) => changed(fields, name, text), first);
}

test.each(Object.keys(presets) as PresetName[])(
  'the preset %s is itself again, and alone in the URL',
  (name) => {
    const fields = withOptions(first, name);
    expect(answerOf(fields).input).toBe(name);
    expect(hashOf({ fields, format: 'ts' })).toBe(name);
    expect(stateOf(name).fields).toEqual(fields);
  },
);

test('what is automatic in a preset follows its timers', () => {
  expect(withOptions(first, 'tunnel').userTimeout).toBe('auto');
  expect(withOptions(first, 'bulk').userTimeout).toBe('0s');
});

const time = fc.integer({ min: 1, max: 32_767 }).map((seconds) => `${seconds}s`);
const anyFields = fc.record({
  enable: fc.constantFrom('true', 'false'),
  initialDelay: fc.option(time, { nil: '' }),
  interval: fc.option(time, { nil: '' }),
  count: fc.option(fc.integer({ min: 1, max: 127 }).map(String), { nil: '' }),
  userTimeout: fc.option(fc.oneof(time, fc.constant('0s')), { nil: '' }),
  maxRetransmitInterval: fc.constantFrom('', 'auto', '2s', '2m'),
  path: fc.constantFrom('', 'aws-nlb', 'payload:12s', '1h'),
  within: fc.constantFrom('', '30s', '1500'),
  rto: fc.constantFrom('', '350ms'),
  connections: fc.integer({ min: 1, max: 1_000_000 }).map(String),
  loss: fc.constantFrom('', '0.05', '2.5%'),
});

test('every question comes back from the URL that it writes', () => {
  fc.assert(
    fc.property(anyFields, fc.constantFrom('ts', 'docker'), (asked, format) => {
      const fields = { ...first, ...asked };
      const hash = hashOf({ fields, format });
      const read = stateOf(hash);
      expect(hash).toMatch(/^[^\s#]*$/);
      expect(read.problem).toBeUndefined();
      expect(read.format).toBe(format);
      expect(answerOf(read.fields)).toEqual(answerOf(fields));
      expect(hashOf(read)).toBe(hash);
    }),
  );
});

describe('a plan', () => {
  const settingsOf = (fields: Fields) => answerOf(fields).report.options;

  test('is made for a deadline, and again for another path or rto', () => {
    expect(settingsOf(edited(['within', '30s']))).toEqual(planKeepAlive({ detectWithin: 30_000 }));
    expect(settingsOf(edited(['within', '10m'], ['path', 'azure-lb'], ['rto', '9s']))).toEqual(
      planKeepAlive({ detectWithin: 600_000, pathIdleLimit: 'azure-lb', rto: 9_000 }),
    );
  });

  test('that was changed stays as it is', () => {
    const fields = edited(['within', '10m'], ['count', '7'], ['path', 'azure-lb']);
    expect(fields.count).toBe('7');
    expect(settingsOf(fields).initialDelay).toBe(planKeepAlive({ detectWithin: 600_000 }).initialDelay);
  });

  test('that cannot be made leaves the options, and says why', () => {
    const fields = edited(['within', '1s']);
    expect(settingsOf(fields)).toBe(parseKeepAliveOptions('database'));
    expect(problemsOf(fields)).toEqual({ within: expect.stringContaining('to be at least ') });
  });
});

test.each<[string, FieldName, string]>([
  ['count=0', 'count', 'got `0`'],
  ['interval=soon', 'interval', 'got `soon`'],
  ['userTimeout=auto', 'userTimeout', 'beside `userTimeout:'],
  ['tunnel&loss=2', 'loss', 'a fraction from 0 to 1'],
  ['tunnel&path=aws-nbl', 'path', 'did you mean `aws-nlb`?'],
  ['tunnel&rto=0', 'rto', 'from 1 to 120000'],
])('the URL %s keeps its text, and %s says what is wrong', (hash, name, message) => {
  const { fields } = stateOf(hash);
  expect(hash).toContain(`${name}=${fields[name]}`);
  expect(problemsOf(fields)).toEqual({ [name]: expect.stringContaining(message) });
});

test.each([
  ['databse', 'did you mean `database`?'],
  ['tunnel&foo=3s', 'got `foo`'],
  ['initialDelay=60s&tunnel', 'a preset comes first'],
  ['%', 'Expected a preset'],
])('the URL %s is refused, and the rest of it is read', (hash, message) => {
  const { fields, problem } = stateOf(hash);
  expect(problem).toContain(message);
  expect(problemsOf(fields)).toEqual({});
});

test('a format that there is not is the first one', () => {
  expect(stateOf('format=toString').format).toBe('ts');
});
