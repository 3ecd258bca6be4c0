import type net from 'node:net';
import { codeOf, keepAliveError } from '../options/errors.ts';
import { shownInstead } from '../options/show.ts';
import { descriptorBehind, descriptorWithoutHandle, type NamedHandle, NO_DESCRIPTOR } from './descriptor.ts';

export { NO_DESCRIPTOR };

/**
 * Node's object for a descriptor, as far as this library uses it. This file is the only reader of
 * `_handle`, which Node does not document but has kept since 0.6 because many packages read it.
 */
export interface TcpHandle extends NamedHandle {
  readonly fd?: number;
  setKeepAlive?(...args: unknown[]): number;
  close?(...args: unknown[]): unknown;
  reset?: (...args: unknown[]) => unknown;
  /** Called with each chunk that was read, and with nothing at the end of the stream. */
  onread?(chunk?: ArrayBuffer): unknown;
  /** Whether libuv reads from it, and so hears of an error. */
  readonly reading?: boolean;
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  /** The handle inside a TLS handle. */
  readonly _parent?: TcpHandle;
}

interface SocketInternals {
  readonly _handle?: TcpHandle | null | undefined;
  readonly connecting?: boolean | undefined;
  readonly destroyed?: boolean | undefined;
  /** Only a server's handle has it. */
  readonly listen?: unknown;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  /** The socket that TLS was started on. */
  readonly _parent?: { readonly destroyed?: boolean | undefined } | null | undefined;
}

// TLS in TLS in TLS is two deep. Node never makes a longer chain than this.
const MAX_DEPTH = 8;

/**
 * The descriptor of a connected socket. Use it before other code can run: once the socket is closed, the
 * same number may belong to another. The socket may be a Unix socket, which the kernel then refuses.
 *
 * @returns {@link NO_DESCRIPTOR} if the runtime shows none for a TCP connection, and none can be found
 * @throws `ERR_KEEPALIVE_NOT_CONNECTED`, `ERR_KEEPALIVE_DESTROYED`, `ERR_KEEPALIVE_NOT_TCP` or
 *   `ERR_KEEPALIVE_NO_DESCRIPTOR`
 */
export function connectedDescriptor(socket: net.Socket): number {
  if (socket === null || socket === undefined) throw notSocket(socket);
  const { _handle: handle, connecting, destroyed } = socket as SocketInternals;
  // A server and a dgram socket have a descriptor too, but no `connecting`.
  if (handle && connecting === false && !destroyed) {
    const fd = innermost(handle).fd;
    if (isDescriptor(fd)) return fd;
  }
  return findOrExplain(socket);
}

/** The TCP handle of a socket, inside any TLS handles; `undefined` if there is none. */
export function tcpHandle(socket: net.Socket): TcpHandle | undefined {
  const handle = (socket as SocketInternals)._handle;
  return handle ? innermost(handle) : undefined;
}

/**
 * The descriptor of a TCP socket that is still connecting. The kernel has a socket for each attempt one turn after its
 * `'connectionAttempt'`. A Unix socket connects at once, and is left to its `'connect'`.
 *
 * @returns {@link NO_DESCRIPTOR} if there is none yet, or the runtime shows none
 */
export function attemptDescriptor(socket: net.Socket): number {
  const handle = socket.connecting ? tcpHandle(socket) : undefined;
  return typeof handle?.getpeername === 'function' ? handleDescriptor(handle) : NO_DESCRIPTOR;
}

/** The handle that a socket reads from: that of TLS, if TLS runs on it. */
export function readingHandle(socket: net.Socket): TcpHandle | undefined {
  return (socket as SocketInternals)._handle ?? undefined;
}

let ownerSymbol: symbol | undefined;
/** The descriptions of that symbol, in Node and Bun, and in Deno. */
const OWNER: readonly (string | undefined)[] = ['owner_symbol', 'ownerSymbol'];

/** The socket that a handle belongs to, which Node keeps on it under a symbol of its own. */
export function ownerOf(handle: TcpHandle): net.Socket | undefined {
  ownerSymbol ??= Object.getOwnPropertySymbols(handle).find(({ description }) => OWNER.includes(description));
  // It is null on a handle that TLS has left for an attempt with another address.
  return (ownerSymbol && (handle as Record<symbol, net.Socket | null | undefined>)[ownerSymbol]) ?? undefined;
}

/** The descriptor of a handle, or {@link NO_DESCRIPTOR} if it is closed. */
export function handleDescriptor(handle: TcpHandle): number {
  const inner = innermost(handle);
  const { fd } = inner;
  return isDescriptor(fd) ? fd : descriptorBehind(inner);
}

/** The descriptor of a listening server, or {@link NO_DESCRIPTOR} in a cluster worker: the primary has it. */
export function listenerDescriptor(server: net.Server): number {
  const handle = (server as unknown as SocketInternals)._handle;
  return handle ? handleDescriptor(handle) : NO_DESCRIPTOR;
}

/**
 * Node's object for a listening socket, which is a new one each time that a server listens; `undefined` if it
 * does not listen.
 */
export function listenerHandle(server: net.Server): object | undefined {
  return (server as unknown as SocketInternals)._handle ?? undefined;
}

/**
 * Whether the workers of a cluster share a listening socket (`cluster.SCHED_NONE`). Its handle has its own
 * `close`, which informs the primary.
 */
export function isSharedListener(server: net.Server): boolean {
  const handle = listenerHandle(server);
  return handle !== undefined && Object.hasOwn(handle, 'close');
}

/** The TCP handle inside any TLS handles. */
function innermost(handle: TcpHandle): TcpHandle {
  let inner = handle;
  for (let depth = 0; inner._parent && depth < MAX_DEPTH; depth++) inner = inner._parent;
  return inner;
}

function isDescriptor(fd: unknown): fd is number {
  return Number.isInteger(fd) && (fd as number) >= 0 && (fd as number) <= 0x7fff_ffff;
}

function findOrExplain(socket: SocketInternals): number {
  // A TLS socket learns a little later that the socket under it was destroyed.
  if (socket.destroyed === true || socket._parent?.destroyed === true) {
    throw keepAliveError(
      'ERR_KEEPALIVE_DESTROYED',
      'Expected a connected socket, got one that is destroyed; set the options on its replacement',
    );
  }
  if (typeof socket.listen === 'function') {
    throw keepAliveError(
      'ERR_KEEPALIVE_NOT_TCP',
      'Expected a connected socket, got a server; use keepAliveServer(server, options), for what it accepts',
    );
  }
  if (socket.connecting === true) throw notConnected('one that is still connecting');
  const found = socket._handle
    ? descriptorBehind(innermost(socket._handle))
    : descriptorWithoutHandle(socket);
  if (found !== NO_DESCRIPTOR) return found;
  if (isGone(socket)) {
    throw keepAliveError(
      'ERR_KEEPALIVE_NOT_CONNECTED',
      'Expected a connected socket, got one whose handle was closed or sent to another process; set the options before',
    );
  }
  if (typeof socket.remoteAddress === 'string') return NO_DESCRIPTOR;
  if (socket._handle && socket.connecting === false) {
    throw keepAliveError(
      'ERR_KEEPALIVE_NO_DESCRIPTOR',
      'Expected a socket with a descriptor, got one that runs over another stream (TLS over a Duplex); ' +
        'set the options on the TCP socket underneath',
    );
  }
  if (socket.connecting === false) throw notConnected('one that is not');
  throw notSocket(socket);
}

/** Whether a connection's handle has gone. An address that was read before goes on being shown. */
function isGone({ _handle: handle, remoteAddress }: SocketInternals): boolean {
  if (!handle) return handle === null && typeof remoteAddress === 'string';
  const inner = innermost(handle);
  return typeof inner.getpeername === 'function' && inner.getpeername({}) !== 0;
}

function notSocket(value: unknown): Error {
  const hint =
    typeof (value as Partial<Promise<unknown>> | null)?.then === 'function' ? '; await it first' : '';
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    `Expected a net.Socket or tls.TLSSocket, got ${shownInstead(value)}${hint}`,
  );
}

function notConnected(got: string): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_CONNECTED',
    `Expected a connected socket, got ${got}; use keepAlive(socket, options), which waits for 'connect'`,
  );
}

/**
 * Converts an exception from reading a socket to the error to report. It has a code if this library or the
 * kernel refused the socket. The socket of an http2 session throws at each access once the session is
 * destroyed. Any other exception comes from a value that is no socket.
 */
export function unreadable(error: unknown): unknown {
  const code = codeOf(error);
  if (code === 'ERR_HTTP2_SOCKET_UNBOUND') {
    return keepAliveError(
      'ERR_KEEPALIVE_DESTROYED',
      'Expected a connected socket, got that of an http2 session which is destroyed',
      { cause: error },
    );
  }
  if (code !== undefined) return error;
  return keepAliveError(
    'ERR_KEEPALIVE_NOT_TCP',
    'Expected a net.Socket or tls.TLSSocket, got a value that cannot be read as one',
    { cause: error },
  );
}
