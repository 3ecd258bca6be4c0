/**
 * Keepalive timers for connections of `amqplib`.
 *
 * @module tcp-keepalive/amqplib
 */
import type net from 'node:net';
import {
  driverRequest,
  expectTarget,
  holdSocket,
  isMethod,
  type KeepAliveInput,
  keepAliveError,
  type Members,
  type OnError,
  report,
} from './kit.ts';

/** A connection of amqplib, of either of its interfaces. */
export interface AmqplibConnection {
  readonly connection: object;
}

/** A connection of amqplib 2 that was made with `recovery`. */
export interface RecoveringAmqplibConnection {
  waitForConnect: unknown;
  on(event: 'connect', listener: (connection: AmqplibConnection) => void): unknown;
}

/** What amqplib's types do not name: the socket, and the connection of the moment. */
interface Internals {
  readonly stream?: net.Socket;
  readonly _core?: { readonly _model?: AmqplibConnection | null };
}

/**
 * Holds keepalive timers on a connection of amqplib; on one with `recovery`, again each time that it
 * reconnects. With TLS too, and over what amqplib's own `keepAlive` and `keepAliveDelay` would set.
 *
 * What comes before the connection is open is bounded by amqplib's `timeout`, which is off by default:
 * set it too. Its socket is found in the private `connection.stream`, and what is open of a recovering one
 * in its private `_core`: a version without the first goes on without, which is reported.
 *
 * A vanished peer now raises the connection's `'error'`, `ETIMEDOUT`, which without a listener ends the
 * process. AMQP's own heartbeats, which RabbitMQ asks for every 60 s, tell after two that are missed.
 *
 * @returns the same connection
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const connection = keepAliveAmqplib(await amqplib.connect('amqp://queue', { timeout: 5_000 }), 'database');
 * connection.on('error', (error) => log.warn(error, 'the connection was lost'));
 * ```
 */
export function keepAliveAmqplib<T extends AmqplibConnection | RecoveringAmqplibConnection>(
  target: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest(options, behaviour);
  expectTarget('a connection of amqplib', target, isConnection);
  const hold = ({ connection }: AmqplibConnection) => {
    const { stream } = connection as Internals;
    if (stream === undefined) report(noStream(), request.onError);
    else holdSocket(stream, request);
  };
  if (isRecovering(target)) holdRecovering(target, hold);
  else hold(target);
  return target;
}

function isConnection(target: Members): boolean {
  const { connection, on } = target;
  return 'waitForConnect' in target ? isMethod(on) : typeof connection === 'object' && connection !== null;
}

function isRecovering(
  target: AmqplibConnection | RecoveringAmqplibConnection,
): target is RecoveringAmqplibConnection {
  return 'waitForConnect' in target;
}

function holdRecovering(
  target: RecoveringAmqplibConnection,
  hold: (connection: AmqplibConnection) => void,
): void {
  const open = (target as Internals)._core?._model;
  if (open) hold(open);
  target.on('connect', hold);
}

function noStream(): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    'Expected a connection of amqplib, got one without a stream; installKeepAlive sets the options without it',
  );
}
