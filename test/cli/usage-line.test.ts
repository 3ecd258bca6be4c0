import { expect, test } from 'vitest';
import { UsageError } from '../../src/cli/usage-error.ts';
import { usageLine } from '../../src/cli/usage-line.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';

function thrownBy(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

test('a usage error is told in one line, without what a terminal would obey', () => {
  expect(usageLine(new UsageError('Expected this,\ngot \u001b[31mthat'))).toBe(
    'tcp-keepalive: Expected this,\\ngot \\u001b[31mthat. Run tcp-keepalive --help\n',
  );
});

test('an error of the library names the flag instead of the option', () => {
  const error = thrownBy(() => planKeepAlive({ detectWithin: 30 }));
  expect(error).toMatchObject({ message: expect.stringContaining('`detectWithin`') });
  expect(usageLine(error, 'plan')).toBe(
    'tcp-keepalive: Expected `--detect` to be from 1s to 24d20h31m23.647s, got 30ms; did you mean 30s? ' +
      'Run tcp-keepalive plan --help\n',
  );
});

test.each([
  { which: 'a bug', error: new TypeError('x is not a function') },
  { which: 'a system call that fails', error: Object.assign(new Error('EMFILE'), { code: 'EMFILE' }) },
  { which: 'null', error: null },
])('$which has no such line', ({ error }) => {
  expect(usageLine(error)).toBeUndefined();
});
