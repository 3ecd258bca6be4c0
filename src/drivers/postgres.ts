/** Keepalive timers for the connections of `postgres` (postgres.js). @module tcp-keepalive/postgres */
import { once } from 'node:events';
import net from 'node:net';
import {
  copyOfConfig,
  driverRequest,
  holdSocket,
  inPlaceOf,
  type KeepAliveInput,
  listed,
  type OnError,
} from './kit.ts';

/** The function that postgres.js calls as `socket`, with the options that it has parsed. */
export type PostgresSocket = (options: object) => net.Socket | Promise<net.Socket>;

/** The parsed options that matter here: several hosts for a failover, or the path of a Unix socket. */
interface ParsedOptions {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path?: string | false | null | undefined;
  readonly ssl?: unknown;
  readonly sslnegotiation?: string | null | undefined;
  /** Seconds. */
  readonly connect_timeout?: number | undefined;
}

/**
 * Holds keepalive timers on every connection of postgres.js, from its first SYN on. Returns a copy of
 * the options in which `socket` connects as postgres.js does, or as the caller's own function does, and
 * then holds the timers. TLS works too. The timers replace what its own `keep_alive` sets. If all else is
 * in the URL, pass `{}`: `postgres(url, keepAlivePostgres({}, 'database'))`.
 *
 * Connecting is bounded by postgres.js's `connect_timeout`, 30 s by default. Several hosts are tried in
 * turn, the next one after a connection to the one before has failed or ended.
 *
 * A vanished peer now fails the query in flight with `ETIMEDOUT`. An idle connection is replaced without
 * an error. A Unix socket gets no timers, which is reported.
 *
 * @param config - the options for `postgres()`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns a copy of the options. Its type names `keep_alive`, because postgres.js's types lack `socket`,
 *   and TypeScript refuses an object that shares no property with the expected type.
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const sql = postgres(keepAlivePostgres({ host: 'db', database: 'app' }, 'database'));
 * ```
 */
export function keepAlivePostgres<T extends object>(
  config: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T & { socket: PostgresSocket; keep_alive?: number | null } {
  const request = driverRequest('keepAlivePostgres', options, behaviour);
  const own = copyOfConfig<T & { socket?: PostgresSocket }>('an object of options of postgres.js', config);
  const connect = own.socket ?? connectInTurn();
  const socket = inPlaceOf<PostgresSocket>(own.socket, async (parsed) => {
    // postgres.js listens some promises later, and connect(2) may fail at once: in a turn of promises,
    // Node reports it after all of them.
    await undefined;
    const connecting = await connect(parsed);
    holdSocket(connecting, request);
    return startsWithTls(parsed) ? connected(connecting, parsed) : connecting;
  });
  return listed({ ...own, socket }, request);
}

/**
 * postgres.js does not say which of its connections asks, so all share one turn. A next host at every
 * call would spread them over the hosts, some of which accept no writes; waiting for all of a turn to
 * fail would let one attempt that hangs delay the others. Sockets of earlier turns do not count.
 */
function connectInTurn(): PostgresSocket {
  let turn = 0;
  const ofThisTurn = new Set<net.Socket>();
  return (options) => {
    const { host: hosts, port: ports, path } = options as ParsedOptions;
    if (path) return net.connect(path);
    // A listener would not do: postgres.js removes all listeners before TLS.
    if ([...ofThisTurn].some(({ destroyed }) => destroyed)) {
      turn += 1;
      ofThisTurn.clear();
    }
    const [host, port] = [hosts[turn % hosts.length], ports[turn % hosts.length]];
    const socket = net.connect({ host: String(host), port: Number(port) });
    ofThisTurn.add(socket);
    // postgres.js reads both from the socket: TLS verifies the host's name, and errors name the address.
    return Object.assign(socket, { host, port });
  };
}

function startsWithTls(options: object): boolean {
  const { ssl, sslnegotiation } = options as ParsedOptions;
  return Boolean(ssl) && sslnegotiation === 'direct';
}

/**
 * Waits until a socket for direct TLS is connected: postgres.js removes all its listeners, and Node would
 * crash when it then tries a further address. If connecting fails, another socket is returned, which emits
 * the error once postgres.js listens.
 */
async function connected(socket: net.Socket, options: object): Promise<net.Socket> {
  const { connect_timeout: seconds } = options as ParsedOptions;
  if (!socket.connecting) return socket;
  try {
    await once(socket, 'connect', seconds ? { signal: AbortSignal.timeout(seconds * 1_000) } : {});
    return socket;
  } catch (error) {
    socket.destroy();
    const failing = new net.Socket();
    setImmediate(() => failing.destroy(asOfPostgres(error as Error)));
    return failing;
  }
}

/** A timeout as postgres.js reports it, whose own timer starts only when it has the socket. */
function asOfPostgres(error: Error): Error {
  if (error.name !== 'AbortError') return error;
  return Object.assign(new Error('write CONNECT_TIMEOUT'), { code: 'CONNECT_TIMEOUT' });
}
