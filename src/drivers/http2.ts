/** Keepalive timers for `http2` sessions. @module tcp-keepalive/http2 */
import type net from 'node:net';
import {
  driverRequest,
  expectTarget,
  holdSocket,
  isMethod,
  isObjectOrAbsent,
  isServer,
  type KeepAliveInput,
  keepAliveError,
  keepAliveServer,
  type Members,
  type OnError,
  report,
} from './kit.ts';

/** A session of `node:http2`, a client's or a server's. */
export interface Http2Session {
  /** Node's stand-in for the socket; `undefined` once the session is destroyed. */
  readonly socket: net.Socket | undefined;
}

/**
 * Holds keepalive timers on the connection of an HTTP/2 session, now or from its first SYN on; or sets
 * them on every connection that an HTTP/2 server accepts, before any TLS handshake.
 *
 * A server is passed to `keepAliveServer`: its open sessions stay as they are, unless each is passed to
 * this function too.
 *
 * A vanished peer now ends a session, and each of its streams, with an `'error'`, `ETIMEDOUT`. TCP cannot
 * see a peer that hangs while its kernel answers, nor a peer behind a proxy: for these see `heartbeatHttp2`.
 *
 * @param target - a session, or a server of `http2`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same session or server
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const session = keepAliveHttp2(http2.connect('https://api.example'), 'loadBalancer');
 * ```
 */
export function keepAliveHttp2<T extends Http2Session | net.Server>(
  target: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAliveHttp2', options, behaviour);
  expectTarget('a session or server of node:http2', target, isSessionOrServer, request);
  if (isServer(target)) return keepAliveServer(target, options, behaviour);
  if (target.socket === undefined) report(noSocket(), request.onError);
  else holdSocket(target.socket, request);
  return target;
}

function isSessionOrServer(target: Members): boolean {
  const { goaway } = target;
  return isServer(target) || (isMethod(goaway) && 'socket' in target && isObjectOrAbsent(target.socket));
}

function noSocket(): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_DESTROYED',
    'Expected a session of node:http2, got one that is destroyed',
  );
}
