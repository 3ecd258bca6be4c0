import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { KeepAliveSettings } from '../../src/options/options.ts';

// On real connections this is tested in test/sockets/silence.test.ts.

/** What a connection has that nobody has set. */
const defaults = { enable: false, initialDelay: 7_200_000, interval: 75_000, count: 9, userTimeout: 0 };

/** The file, and a connection that was silent for exactly so many milliseconds, which a real one never is. */
async function silentFor(
  { ack, data = ack + 100 }: { ack: number; data?: number },
  before: KeepAliveSettings = defaults,
) {
  const writes: unknown[] = [];
  vi.doMock('../../src/kernel/tcp-info.ts', () => ({
    readTcpInfo() {
      if (Number.isNaN(ack)) throw new Error('no TCP_INFO');
      return { lastAckReceived: ack, lastDataReceived: data };
    },
  }));
  vi.doMock('../../src/kernel/settings.ts', () => ({
    readSettings: () => before,
    writeSettings: (...args: unknown[]) => void writes.push(args),
  }));
  vi.resetModules();
  onTestFinished(() => {
    vi.doUnmock('../../src/kernel/tcp-info.ts');
    vi.doUnmock('../../src/kernel/settings.ts');
    vi.resetModules();
  });
  const { writeWithCare, mustWait } = await import('../../src/kernel/silence.ts');
  const write = (settings: KeepAliveSettings) =>
    writeWithCare(7, settings, (due, current) => {
      writes.push(due);
      return { current };
    });
  return { write, writes, mustWait };
}

const options = { enable: true, initialDelay: 1_000, interval: 2_000, count: 3, userTimeout: 5_500 };
const { userTimeout, ...timers } = options;

describe('what is written to a connection that was silent', () => {
  const again = [7, { initialDelay: 1_000 }, false];
  const on = { ...defaults, enable: true };
  const { userTimeout: _, ...multipath } = defaults;
  const pending = { settings: { userTimeout }, within: 6_000 };

  test.each<{
    why: string;
    silence: number;
    before?: KeepAliveSettings;
    settings?: KeepAliveSettings;
    was?: string;
    writes: unknown[];
    pending?: unknown;
  }>([
    { why: 'not for a second', silence: 999, was: 'heard', writes: [options] },
    { why: 'not for longer than initialDelay', silence: 1_000, writes: [options, again] },
    { why: 'for longer', silence: 1_001, writes: [{ ...options, userTimeout: 0 }, again], pending },
    {
      why: 'for longer, with probes on',
      silence: 1_001,
      before: on,
      writes: [{ ...options, userTimeout: 0 }],
      pending,
    },
    {
      why: 'for longer than the initialDelay that it has',
      silence: 3_001,
      before: { ...on, initialDelay: 3_000 },
      settings: { userTimeout },
      writes: [{ userTimeout: 0 }],
      pending: { settings: { userTimeout }, within: 675_000 },
    },
    {
      why: 'not for longer than that',
      silence: 3_000,
      before: { ...on, initialDelay: 3_000 },
      settings: { userTimeout },
      writes: [{ userTimeout }],
    },
    {
      why: 'for longer, and gets probes without a delay',
      silence: 3_001,
      before: { ...defaults, initialDelay: 3_000 },
      settings: { enable: true, userTimeout },
      writes: [{ enable: true, userTimeout: 0 }],
      pending: { settings: { userTimeout }, within: 675_000 },
    },
    {
      why: 'for longer, and gets no probes',
      silence: 1_001,
      settings: { ...options, enable: false },
      writes: [{ ...options, enable: false }],
    },
    { why: 'for longer, without a user timeout', silence: 1_001, settings: timers, writes: [timers, again] },
    {
      why: 'for longer, with a user timeout of 0',
      silence: 1_001,
      settings: { ...options, userTimeout: 0 },
      writes: [{ ...options, userTimeout: 0 }, again],
    },
    {
      why: 'for longer, and has no user timeout',
      silence: 1_001,
      before: multipath,
      writes: [options, again],
    },
    {
      why: 'for longer, and has all of it but the count',
      silence: 1_001,
      before: { ...options, count: 4 },
      was: 'same',
      writes: [options],
    },
    {
      why: 'for longer, and has all that is set',
      silence: 1_001,
      before: { ...on, userTimeout },
      settings: { userTimeout },
      was: 'same',
      writes: [{ userTimeout }],
    },
    {
      why: 'for longer, and has all of it but enable',
      silence: 1_001,
      before: { ...options, enable: false },
      writes: [{ ...options, userTimeout: 0 }, again],
      pending,
    },
    ...(['initialDelay', 'interval', 'userTimeout'] as const).map((name) => ({
      why: `for longer, and has all of it but ${name}`,
      silence: 1_001,
      before: { ...options, [name]: 9_000 },
      writes: [{ ...options, userTimeout: 0 }],
      pending,
    })),
  ])('$why', async ({ silence, before = defaults, settings = options, was = 'changed', writes, pending }) => {
    const subject = await silentFor({ ack: silence }, before);
    expect(subject.write(settings)).toEqual({
      was,
      // What is read of a silent peer is handed on, so that nobody reads it twice.
      written: { current: was === 'heard' ? undefined : before },
      ...(pending !== undefined && { pending }),
    });
    expect(subject.writes).toEqual(writes);
  });

  test.each([
    { what: 'a byte', heard: { ack: 5_000, data: 999 } },
    { what: 'an ACK', heard: { ack: 999, data: 5_000 } },
  ])('all of it, if $what was received', async ({ heard }) => {
    const { write } = await silentFor(heard);
    expect(write(options).was).toBe('heard');
  });

  test('all of it, if how long cannot be read', async () => {
    const { write, writes } = await silentFor({ ack: Number.NaN });
    expect(write(options).was).toBe('heard');
    expect(writes).toEqual([options]);
  });
});

describe('a pending user timeout', () => {
  const pending = { settings: { userTimeout }, within: 6_000 };

  test.each([
    { why: 'waits on for a peer that was not heard since', ack: 3_001, elapsed: 3_000, waits: true },
    { why: 'is due once it was', ack: 3_000, elapsed: 3_000, waits: false },
    { why: 'waits on to the last moment', ack: 9_000, elapsed: 5_999, waits: true },
    {
      why: 'is due after the time within which probes may go unanswered',
      ack: 9_000,
      elapsed: 6_000,
      waits: false,
    },
    { why: 'is due if nothing can be read', ack: Number.NaN, elapsed: 0, waits: false },
  ])('$why', async ({ ack, elapsed, waits }) => {
    const { mustWait } = await silentFor({ ack });
    expect(mustWait(7, pending, elapsed)).toBe(waits);
  });
});
