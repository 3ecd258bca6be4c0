/** Keepalive timers for the connections of `ssh2`. @module tcp-keepalive/ssh2 */
import type net from 'node:net';
import {
  afterEach,
  type DriverRequest,
  driverRequest,
  expectTarget,
  type HoldRequest,
  holdSocket,
  isEmitter,
  isMethod,
  isObjectOrAbsent,
  type KeepAliveInput,
  keepAliveError,
  later,
  laterAt,
  type Members,
  type OnError,
  report,
} from './kit.ts';

/** A `Client` of ssh2. */
export interface Ssh2Client {
  connect: unknown;
  on(event: 'connect', listener: () => void): unknown;
}

/** A `Server` of ssh2. */
export interface Ssh2Server {
  listen: unknown;
  on(event: 'connection', listener: (connection: object) => void): unknown;
}

/** The socket, which ssh2's types do not name. A client has one from `connect()` on. */
interface Internals {
  readonly _sock?: net.Socket;
}

/**
 * Holds keepalive timers on the connection of an ssh2 client, open or not, from its first SYN on, and
 * again after each `connect()`; or on every connection that an ssh2 server accepts from now on.
 *
 * The socket is found in the private `_sock`. If a version lacks it, no timers are set, and that is
 * reported; pass the socket yourself then:
 * `client.connect({ sock: keepAlive(net.connect(22, 'host'), 'tunnel'), username, ... })`.
 *
 * Connecting and the handshake are bounded by ssh2's `readyTimeout` too, 20 s by default.
 *
 * A vanished peer now raises an `'error'` of the client or connection, `ETIMEDOUT`, which ends the process
 * if nobody listens. ssh2's own `keepaliveInterval` notices a peer that hangs while its kernel answers.
 *
 * @param target - a `Client` or a `Server`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same client or server
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const client = keepAliveSsh2(new Client(), 'tunnel');
 * client.connect({ host: 'bastion', username: 'deploy', privateKey });
 * ```
 */
export function keepAliveSsh2<T extends Ssh2Client | Ssh2Server>(
  target: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAliveSsh2', options, behaviour);
  expectTarget('a client or server of ssh2', target, isClientOrServer, request);
  if (isServer(target)) laterAt(target, 'connection', request, hold);
  else holdClient(target, request);
  return target;
}

function isClientOrServer(target: Members): boolean {
  const { connect, sftp, listen, injectSocket, _sock } = target;
  if (!isEmitter(target)) return false;
  if ('listen' in target) return isMethod(listen) && isMethod(injectSocket);
  return isMethod(connect) && isMethod(sftp) && isObjectOrAbsent(_sock);
}

function isServer(target: Ssh2Client | Ssh2Server): target is Ssh2Server {
  return 'listen' in target;
}

function hold(request: HoldRequest, { _sock: socket }: Internals): void {
  if (socket === undefined) report(noSocket(), request.onError);
  else holdSocket(socket, request);
}

function holdClient(client: Ssh2Client & Internals, request: DriverRequest): void {
  const told = later(client, request, (asked) => hold(asked, client));
  if (client._sock !== undefined) told();
  // It makes the socket, and begins to connect.
  afterEach(client, 'connect', told);
}

function noSocket(): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    'Expected a client or server of ssh2, got one without a socket; pass it: connect({ sock: keepAlive(...) })',
  );
}
