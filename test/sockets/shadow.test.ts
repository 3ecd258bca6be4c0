import type net from 'node:net';
import { type KeepAliveOptions, keepAlive } from 'tcp-keepalive';
import { describe, expect, test, vi } from 'vitest';
import { type MarkedHandle, PASSES, WAY } from '../../src/sockets/hold-record.ts';
import { connection } from '../helpers/connection.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { heard } from '../helpers/heard.ts';
import { kernelValues } from '../helpers/raw-options.ts';

const all = { initialDelay: 20_000, interval: 7_000, count: 4 } as const;

/** A held connection, and the calls of Node's own that reach the system. */
async function held(options: KeepAliveOptions) {
  const socket: net.Socket = await connection();
  const handle = handleOf(socket) as MarkedHandle & { setKeepAlive(...args: unknown[]): number };
  const calls = vi.fn();
  const { setKeepAlive } = handle;
  handle.setKeepAlive = function (...args) {
    calls(...args);
    return Reflect.apply(setKeepAlive, this, args);
  };
  keepAlive(socket, options);
  const restored = heard('restored');
  return { socket, handle, calls, messages: () => restored.of(socket).map(({ reached }) => reached) };
}

describe.runIf(process.platform === 'linux')("Node's own call on a held connection", () => {
  test('does not reach the system if all that it sets is held, and succeeds', async () => {
    const { socket, handle, calls, messages } = await held(all);
    expect(handle.setKeepAlive(true, 60)).toBe(0);
    expect(calls).not.toHaveBeenCalled();
    expect(kernelValues(socket)).toMatch(/^1:20\/7\/4 /);
    expect(messages()).toEqual([false]);
  });

  test.each([
    { without: 'initialDelay', options: { interval: 7_000, count: 4 } },
    { without: 'interval', options: { initialDelay: 20_000, count: 4 } },
    { without: 'count', options: { initialDelay: 20_000, interval: 7_000 } },
  ])('reaches it without $without, and what is held is written again', async ({ options }) => {
    const { socket, handle, calls, messages } = await held(options);
    handle.setKeepAlive(true, 60);
    expect(calls.mock.calls).toEqual([[true, 60]]);
    const { initialDelay = 60_000, interval = 1_000, count = 10 } = options as KeepAliveOptions;
    expect(kernelValues(socket)).toMatch(
      new RegExp(`^1:${initialDelay / 1_000}/${interval / 1_000}/${count} `),
    );
    expect(messages()).toEqual([true]);
  });

  test('is not announced if it changed nothing', async () => {
    const { handle, calls, messages } = await held({ enable: true });
    handle.setKeepAlive(true, 60);
    expect(calls).toHaveBeenCalledOnce();
    expect(messages()).toEqual([]);
  });

  test('reaches it while this library makes it', async () => {
    const { handle, calls } = await held(all);
    handle[PASSES] = true;
    handle.setKeepAlive(true, 60);
    expect(calls).toHaveBeenCalledOnce();
  });

  test('does not reach it if Node has set the options, which may lack an interval', async () => {
    const { handle, calls, messages } = await held({ initialDelay: 20_000 });
    handle[WAY] = 'node';
    expect(handle.setKeepAlive(true, 60)).toBe(0);
    expect(calls).not.toHaveBeenCalled();
    expect(messages()).toEqual([false]);
  });
});
