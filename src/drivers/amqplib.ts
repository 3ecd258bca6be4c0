/** Keepalive timers for the connections of `amqplib`. @module tcp-keepalive/amqplib */
import type net from 'node:net';
import {
  type DriverRequest,
  driverRequest,
  expectTarget,
  type HoldRequest,
  holdSocket,
  isEmitter,
  isMethod,
  type KeepAliveInput,
  keepAliveError,
  laterAt,
  type Members,
  type OnError,
  report,
} from './kit.ts';

/** A connection of amqplib, of its promise or its callback interface. */
export interface AmqplibConnection {
  readonly connection: object;
}

/** A connection of amqplib 2 that was made with `recovery`. */
export interface RecoveringAmqplibConnection {
  waitForConnect: unknown;
  on(event: 'connect', listener: (connection: AmqplibConnection) => void): unknown;
}

/** Private members of amqplib: the socket, and the open connection of one with `recovery`. */
interface Internals {
  readonly stream?: net.Socket;
  readonly _core?: { readonly _model?: AmqplibConnection | null };
}

/**
 * Holds keepalive timers on a connection of amqplib, and on one with `recovery` again after each
 * reconnect. TLS works too. The timers replace what amqplib's `keepAlive` and `keepAliveDelay` set.
 *
 * Connecting is bounded only by amqplib's `timeout`, which is off by default: set it too. The socket is
 * found in the private `connection.stream`, and the open connection of a recovering one in its private
 * `_core`. If a version has no `stream`, the connection keeps its own timers, and that is reported.
 *
 * A vanished peer now raises the connection's `'error'` with `ETIMEDOUT`, which ends the process if nobody
 * listens. AMQP's own heartbeats (RabbitMQ: every 60 s) notice it after two are missed.
 *
 * @param target - a connection of the promise or the callback interface
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
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
  const request = driverRequest('keepAliveAmqplib', options, behaviour);
  expectTarget('a connection of amqplib', target, isConnection, request);
  if (isRecovering(target)) holdRecovering(target, request);
  else hold(request, target);
  return target;
}

function isConnection(target: Members): boolean {
  const { connection, createChannel } = target;
  if (!isEmitter(target) || !isMethod(createChannel)) return false;
  return 'waitForConnect' in target || (typeof connection === 'object' && connection !== null);
}

function isRecovering(
  target: AmqplibConnection | RecoveringAmqplibConnection,
): target is RecoveringAmqplibConnection {
  return 'waitForConnect' in target;
}

function hold(request: HoldRequest, { connection }: AmqplibConnection): void {
  const { stream } = connection as Internals;
  if (stream === undefined) report(noStream(), request.onError);
  else holdSocket(stream, request);
}

function holdRecovering(target: RecoveringAmqplibConnection, request: DriverRequest): void {
  const open = (target as Internals)._core?._model;
  if (open) hold(request, open);
  laterAt(target, 'connect', request, hold);
}

function noStream(): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    'Expected a connection of amqplib, got one without a stream; installKeepAlive sets the options without it',
  );
}
