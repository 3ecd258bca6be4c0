import type net from 'node:net';
import { predictDetection, readableDescriptor, readTcpInfo } from '#core';
import { anything, type Field, optional, readFields, refusal } from '../options/fields.ts';
import type { KeepAliveInput } from '../options/options.ts';
import { listed, printable, shown } from '../options/show.ts';
import type { Detection } from '../predict/predict.ts';
import { expectWithin, LATENESS, type Window } from './expect-within.ts';
import { stalledBetween, watchStalls } from './stalls.ts';

/** The states of a connection for which a loss is predicted. */
const states = ['idle', 'unacknowledged', 'zeroWindow', 'connecting'] as const;

/** The connection that is lost, as far as the test knows it. */
export interface ExpectedDetection {
  /**
   * The state of the connection: `'idle'`, or `'unacknowledged'` if it has sent something, such as a query.
   *
   * @default either of these two: the window reaches from the beginning of the earlier to the end of the later
   */
  readonly state?: Exclude<keyof Detection, 'probes' | 'survives'> | undefined;
  /**
   * The client's socket. Its clock started when it last heard from its peer, and its own retransmission timeout makes
   * the window of data in flight narrower.
   *
   * @default the clock starts with the call
   */
  readonly socket?: net.Socket | undefined;
}

/** The longest wait of a timer, in milliseconds. */
const LONGEST = 2_147_483_647;

// Captured now, so that a test's fake timers change none of it.
const { setTimeout, clearTimeout } = globalThis;
const now = performance.now.bind(performance);

const EXPECTED = "an object such as { state: 'idle', socket }";

const aState: Field<ExpectedDetection['state']> = (value, name) => {
  if (states.includes(value as (typeof states)[number])) return value as (typeof states)[number];
  throw refusal(`\`${name}\` to be ${listed(states)}`, value);
};

const connectionFields = { state: optional(aState), socket: anything as Field<net.Socket | undefined> };

/**
 * Expects that a peer which has vanished is noticed when the options say so, and not before or later. Call it when the
 * peer has vanished, and with data in flight in the tick that sends it. A process that had to wait for a processor is
 * allowed that time.
 *
 * @param lost - settles when the loss is noticed: a query, which fails, or `once(socket, 'error')`
 * @param options - the options of the connection: a preset's name, or options in milliseconds
 * @param connection - `state` and `socket`, which make the expectation exact
 * @returns what the promise was rejected with, or else gave: the error
 * @throws `AssertionError` if it settles outside of the predicted window, or not until its end;
 *   `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const error = await expectDetection(pool.query('select 1'), 'fastFailover', { state: 'unacknowledged' });
 * ```
 */
export async function expectDetection(
  lost: Promise<unknown>,
  options: KeepAliveInput,
  connection: ExpectedDetection = {},
): Promise<unknown> {
  const called = now();
  const window = windowFrom(called, options, readFields(EXPECTED, connection, connectionFields));
  const unwatch = watchStalls();
  const deadline = whenOver(window, called);
  try {
    const { result } = await Promise.race([settled(lost), deadline.over]);
    expectWithin(window, called, now(), described(result));
    return result;
  } finally {
    deadline.cancel();
    unwatch();
  }
}

/** The window in which the loss is to be noticed, from a moment on. */
function windowFrom(moment: number, options: KeepAliveInput, { state, socket }: ExpectedDetection): Window {
  const predicted = predictDetection(options, {
    rto: socket && readTcpInfo(readableDescriptor(socket)).rto,
  });
  const silence = socket === undefined ? 0 : moment - lastHeard(socket);
  const windows = (state === undefined ? (['idle', 'unacknowledged'] as const) : [state]).map((each) => {
    const { earliest, latest } = predicted[each];
    // This clock alone started before.
    return each === 'idle'
      ? { earliest: earliest - silence, latest: latest - silence }
      : { earliest, latest };
  });
  const latest = Math.max(...windows.map((each) => each.latest));
  if (latest < Infinity) return { earliest: Math.min(...windows.map((each) => each.earliest)), latest };
  throw refusal('options with which a peer that vanished is noticed', options, {
    hint: `, with which it never is (${state ?? 'idle, or data in flight'})`,
    outOfRange: true,
  });
}

/** When the last byte or ACK came from the peer, on `performance.now()`'s clock. */
export function lastHeard(socket: net.Socket): number {
  for (;;) {
    const before = now();
    const { lastAckReceived, lastDataReceived } = readTcpInfo(readableDescriptor(socket));
    // Otherwise the process had to wait for a processor in between, and the two do not go together.
    if (now() - before < 1) return before - Math.min(lastAckReceived, lastDataReceived);
  }
}

/** The error, which `once(socket, 'error')` gives in a list. */
function described(result: unknown): string {
  if (result === undefined) return 'nothing';
  const error = Array.isArray(result) ? result[0] : result;
  return error instanceof Error ? printable(String(error)) : shown(result);
}

function settled(promise: Promise<unknown>): Promise<{ result: unknown }> {
  const settle = (result: unknown) => ({ result });
  return promise.then(settle, settle);
}

/** The end of a window that begins at a moment, as long as nobody cancels it. */
function whenOver(
  { latest }: Window,
  moment: number,
): { over: Promise<{ result: unknown }>; cancel(): void } {
  let timer: NodeJS.Timeout;
  const over = new Promise<{ result: unknown }>((resolve) => {
    const look = () => {
      const left = moment + latest + LATENESS + stalledBetween(moment, now()) - now();
      if (left < 0) resolve({ result: undefined });
      else timer = setTimeout(look, Math.min(left + 1, LONGEST));
    };
    look();
  });
  return { over, cancel: () => clearTimeout(timer) };
}
