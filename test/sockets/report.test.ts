import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { KeepAliveSettings, OptionName } from '../../src/options/options.ts';
import { nodeTakesIntervalAndCount } from '../../src/sockets/node-way.ts';
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

describe('a connection that gets less than was asked for', () => {
  test.each<{ lacking: OptionName[]; settings: KeepAliveSettings; told: string | undefined }>([
    { lacking: [], settings: { count: 3 }, told: undefined },
    { lacking: ['interval', 'count'], settings: { interval: 5_000, count: 3 }, told: '`interval`, `count`' },
    { lacking: ['userTimeout'], settings: { userTimeout: 5_000 }, told: '`userTimeout`' },
    // 0 is what the system has anyway.
    { lacking: ['userTimeout'], settings: { userTimeout: 0 }, told: undefined },
    { lacking: ['count', 'userTimeout'], settings: { count: 3, userTimeout: 0 }, told: '`count`' },
    // It makes a loss come sooner, and bounds nothing itself.
    { lacking: ['maxRetransmitInterval'], settings: { maxRetransmitInterval: 5_000 }, told: undefined },
  ])('is told of, unless nothing is lost: $lacking of $settings', async ({ lacking, settings, told }) => {
    const { tellOfLoss } = await fresh();
    const onError = vi.fn<OnError>();
    tellOfLoss(lacking, settings, 'no koffi', onError);
    const message = `Cannot set ${told}: no koffi; the connection works without`;
    expect(onError.mock.calls).toEqual(
      told === undefined ? [] : [[expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED', message })]],
    );
  });

  test('because Node’s own call is all there is, is warned of', async () => {
    const { warnOfNodeFallback, warnings } = await fresh();
    warnOfNodeFallback(new Error('No koffi'));
    const left = nodeTakesIntervalAndCount
      ? 'no bound on unacknowledged data and no reading back'
      : 'probes every 1 s, 10 times, after the initial delay, no bound on unacknowledged data, and no reading back';
    expect(warnings).toEqual([
      warning('ERR_KEEPALIVE_UNSUPPORTED', `No koffi. Until then Node's own setKeepAlive is used: ${left}`),
    ]);
  });
});

test.each([true, false])(
  'a line goes to standard error, whether somebody reads it or not: %s',
  async (isRead) => {
    const writeSync = vi.fn(() => {
      if (!isRead) throw new Error('EPIPE');
    });
    vi.doMock('node:fs', async (original) => ({ ...(await original<object>()), writeSync }));
    onTestFinished(() => void vi.doUnmock('node:fs'));
    const { printLine } = await fresh();
    expect(() => printLine('the line')).not.toThrow();
    expect(writeSync.mock.calls).toEqual([[2, 'tcp-keepalive: the line\n']]);
  },
);
