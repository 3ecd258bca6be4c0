import { fstatSync } from 'node:fs';
import { keepAliveError, readCookie } from '#core';
import type { Borrower } from '../../native-bindings/borrow.ts';
import { textOfIpv4, textOfIpv6 } from '../kernel/address.ts';
import { codeOf } from '../options/errors.ts';
import { type Endpoint, endText } from './endpoint.ts';
import type { Connection } from './list.ts';
import { borrowerHere, type Owner } from './owner.ts';
import { explained, isRunning, type ProcessIdentity } from './process.ts';

/** A connection with the process that has it. */
export type OwnedConnection = Connection & { readonly owner: Owner };

const AF_INET = 2;

/**
 * Borrows the socket of another process for as long as a function runs, and closes it at once: as long as a duplicate is
 * open, the connection is. It is the connection that was listed, of the process that was meant, or the function does not
 * run.
 *
 * @param use - gets the descriptor of the duplicate; it must not be asynchronous
 * @throws `ERR_KEEPALIVE_DESTROYED` if the process has closed that socket, or uses it for another connection; or an
 *   error that says what the system refuses and what to do
 */
export function withBorrowed<T>(
  process: ProcessIdentity,
  connection: OwnedConnection,
  use: (fd: number) => T,
): T {
  return withSocket(process, connection, (fd, borrower) => {
    if (!isConnectedAs(borrower, fd, connection)) throw closed(connection);
    return use(fd);
  });
}

/** The same, even if the kernel has given the connection up, or the socket has been connected again. */
export function withSocket<T>(
  process: ProcessIdentity,
  connection: OwnedConnection,
  use: (fd: number, borrower: Borrower) => T,
): T {
  const borrower = borrowerHere();
  let pidfd: number | undefined;
  let fd: number | undefined;
  try {
    pidfd = borrower.openProcess(process.pid);
    // From here on that descriptor means this process, whatever has its id later.
    if (!isRunning(process)) throw Object.assign(new Error(), { code: 'ESRCH' });
    fd = borrower.borrow(pidfd, connection.owner.fd);
    // Numbers of descriptors are used again.
    if (fstatSync(fd).ino !== connection.inode || readCookie(fd) !== connection.cookie)
      throw closed(connection);
    return use(fd, borrower);
  } catch (error) {
    if (fd !== undefined) throw error;
    throw codeOf(error) === 'EBADF' ? closed(connection, error) : explained(error, process.pid);
  } finally {
    if (fd !== undefined) borrower.close(fd);
    if (pidfd !== undefined) borrower.close(pidfd);
  }
}

/** A socket may be connected again, to another peer. */
function isConnectedAs(borrower: Borrower, fd: number, { local, remote, state }: OwnedConnection): boolean {
  if (!isAt(borrower.addressOf(fd, 'getsockname'), local)) return false;
  try {
    return state === 'LISTEN' || isAt(borrower.addressOf(fd, 'getpeername'), remote);
  } catch (error) {
    // The kernel has given it up.
    if (codeOf(error) === 'ENOTCONN') return false;
    throw error;
  }
}

function isAt(sockaddr: Uint8Array, { address, port }: Endpoint): boolean {
  const isIpv4 = sockaddr[0] === AF_INET;
  const own = isIpv4 ? textOfIpv4(sockaddr, 4) : textOfIpv6(sockaddr, 8);
  return own === address && ((sockaddr[2] ?? 0) << 8) + (sockaddr[3] ?? 0) === port;
}

function closed({ owner, remote, local, state }: OwnedConnection, cause?: unknown): Error {
  const what = state === 'LISTEN' ? `the listener ${endText(local)}` : `the connection to ${endText(remote)}`;
  return keepAliveError(
    'ERR_KEEPALIVE_DESTROYED',
    `Process ${owner.pid} has closed ${what} meanwhile; nothing was changed on it`,
    { cause },
  );
}
