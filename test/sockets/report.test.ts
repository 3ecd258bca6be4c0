import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { OnError } from '../../src/sockets/report.ts';

/** The file as at the start of a process, and the warnings that it gives from then on. */
async function fresh() {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  onTestFinished(() => warn.mockRestore());
  vi.resetModules();
  return { ...(await import('../../src/sockets/report.ts')), warnings: warn.mock.calls };
}

function coded(code: string, message = 'refused'): Error {
  return Object.assign(new Error(message), { code });
}

function warning(code: string, message: string): unknown[] {
  return [message, { type: 'KeepAliveWarning', code }];
}

describe('without a handler', () => {
  test('there is one warning for each code', async () => {
    const { report, warnings } = await fresh();
    report(coded('EBADF', 'first'), undefined);
    report(coded('EBADF', 'second'), undefined);
    report(coded('EPERM'), undefined);
    expect(warnings).toEqual([warning('EBADF', 'first'), warning('EPERM', 'refused')]);
  });

  test('an error without a code is warned of by its name', async () => {
    const { report, warnings } = await fresh();
    report(new TypeError('no function'), undefined);
    expect(warnings).toEqual([warning('TypeError', 'no function')]);
  });

  test.each([
    { thrown: 'text', message: 'text' },
    { thrown: undefined, message: 'undefined' },
    { thrown: Symbol('odd'), message: 'Symbol(odd)' },
  ])('what is no error is warned of too: $message', async ({ thrown, message }) => {
    const { report, warnings } = await fresh();
    report(thrown, undefined);
    expect(warnings).toEqual([warning('Error', message)]);
  });
});

describe('with a handler', () => {
  test('it is told of each error, and nobody is warned', async () => {
    const { report, warnings } = await fresh();
    const onError = vi.fn<OnError>();
    const errors = [coded('EBADF'), coded('EBADF'), coded('EPERM')];
    for (const error of errors) report(error, onError);
    report('text', onError);
    expect(onError.mock.calls).toEqual([...errors.map((error) => [error]), [new Error('text')]]);
    expect(warnings).toEqual([]);
  });

  test.each<{ how: string; onError: OnError }>([
    {
      how: 'throws',
      onError() {
        throw new Error('from the handler');
      },
    },
    {
      how: 'rejects',
      async onError() {
        throw new Error('from the handler');
      },
    },
  ])('one that $how ends nothing, and is warned of once', async ({ onError }) => {
    const { report, warnings } = await fresh();
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    onTestFinished(() => void process.off('unhandledRejection', unhandled));
    report(coded('EBADF'), onError);
    report(coded('EBADF'), onError);
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([
      warning('ERR_KEEPALIVE_ON_ERROR_THREW', 'The onError handler threw: from the handler'),
    ]);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

test('what is attempted is reported if it throws', async () => {
  const { attempt } = await fresh();
  const onError = vi.fn<OnError>();
  const work = vi.fn();
  attempt(onError, work);
  expect(work).toHaveBeenCalledTimes(1);
  expect(onError).not.toHaveBeenCalled();
  const error = coded('EBADF');
  attempt(onError, () => {
    throw error;
  });
  expect(onError.mock.calls).toEqual([[error]]);
});
