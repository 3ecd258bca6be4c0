import type net from 'node:net';
import {
  hasTcpInfo,
  isServer,
  keepAliveError,
  listenerDescriptor,
  NO_DESCRIPTOR,
  readableDescriptor,
  setDeaf,
} from '#core';

/**
 * Makes the peer of a connection vanish, as if its machine had lost its power: from now on the kernel drops whatever
 * arrives for this socket, without an error, a reset or a FIN. Nothing else is touched, and no privilege is needed.
 *
 * What the socket itself sends still arrives, and the peer lives. For a path that is down in both directions, give
 * both ends. A server that vanishes ignores every new connection.
 *
 * Linux only, by `IP_MINTTL` and `IPV6_MINHOPCOUNT`: packets are dropped whose TTL is under 255, as all are on
 * loopback, and from any system that does not send with 255.
 *
 * @param ends - connected TCP or TLS sockets, the `socket` of an http2 session, or listening servers
 * @returns a function that brings the peer back; sockets that have been closed meanwhile are left alone
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`, `ERR_KEEPALIVE_NOT_CONNECTED`, `ERR_KEEPALIVE_DESTROYED`,
 *   `ERR_KEEPALIVE_NOT_TCP`, `ERR_KEEPALIVE_NO_DESCRIPTOR`, or the system call's error; every end then hears as before
 *
 * @example
 * ```ts
 * const restore = vanish(socket);
 * await expectDetection(once(socket, 'error'), 'fastFailover', { state: 'idle', socket });
 * restore();
 * ```
 */
export function vanish(...ends: readonly (net.Socket | net.Server)[]): () => void {
  if (!hasTcpInfo) {
    throw keepAliveError(
      'ERR_KEEPALIVE_UNSUPPORTED',
      `Cannot make a peer vanish on ${process.platform}: only Linux can; skip this test here`,
    );
  }
  const restore = () => ends.forEach(hearAgain);
  // All are looked at before one is changed.
  const descriptors = ends.map(descriptorOf);
  try {
    for (const fd of descriptors) setDeaf(fd, true);
  } catch (error) {
    restore();
    throw error;
  }
  return restore;
}

/** A descriptor is never kept: its number may belong to another socket by now. */
function hearAgain(end: net.Socket | net.Server): void {
  let fd: number;
  try {
    fd = descriptorOf(end);
  } catch {
    return;
  }
  setDeaf(fd, false);
}

function descriptorOf(end: net.Socket | net.Server): number {
  if (!isServer(end)) return end?.connecting === true ? notYet() : readableDescriptor(end);
  const fd = listenerDescriptor(end);
  if (fd !== NO_DESCRIPTOR) return fd;
  throw keepAliveError(
    'ERR_KEEPALIVE_NOT_CONNECTED',
    "Expected a server that listens in this process, got one that does not; call vanish after its 'listening'",
  );
}

function notYet(): never {
  throw keepAliveError(
    'ERR_KEEPALIVE_NOT_CONNECTED',
    "Expected a connected socket, got one that is still connecting; call vanish after its 'connect'",
  );
}
