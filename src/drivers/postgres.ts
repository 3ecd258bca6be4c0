/**
 * Keepalive timers for connections of `postgres` (postgres.js).
 *
 * @module tcp-keepalive/postgres
 */
import { once } from 'node:events';
import net from 'node:net';
import { copyOfConfig, driverRequest, holdSocket, type KeepAliveInput, type OnError } from './kit.ts';

/** What postgres.js takes as `socket`. It calls it with its options, once it has worked them out. */
export type PostgresSocket = (options: object) => net.Socket | Promise<net.Socket>;

/** What those options say of the server: several hosts for a failover, or the path of a Unix socket. */
interface ParsedOptions {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path?: string | false | null | undefined;
  readonly ssl?: unknown;
  readonly sslnegotiation?: string | null | undefined;
  /** In seconds. */
  readonly connect_timeout?: number | undefined;
}

/**
 * Holds keepalive timers on every connection of postgres.js, from the moment when TCP connects. Takes its
 * options and returns a copy in which `socket` connects as postgres.js would have, or as the function that
 * was there, and then holds the timers. With TLS too, and over what its own `keep_alive` sets. Give it
 * `{}` where all else is in the URL: `postgres(url, keepAlivePostgres({}, 'database'))`.
 *
 * Connecting is bounded by postgres.js's `connect_timeout`, 30 s by default. Several hosts are tried in
 * turn, the next one after a connection to the one before has failed or ended.
 *
 * A vanished peer now raises an error on the query in flight, `ETIMEDOUT`. A connection that was idle is
 * replaced without a word.
 *
 * A Unix socket goes on without, which is reported to `onError`, or as a process warning.
 *
 * @returns a copy of the options. Of these postgres.js knows `keep_alive` and not `socket`, and TypeScript
 *   refuses an object of which nothing is known.
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
  const request = driverRequest(options, behaviour);
  const own = copyOfConfig<T & { socket?: PostgresSocket }>('an object of options of postgres.js', config);
  const connect = own.socket ?? connectInTurn();
  return {
    ...own,
    socket: async (parsed) => {
      // postgres.js listens some promises later, and connect(2) may fail at once: in a turn of promises,
      // Node tells of it after all of them.
      await undefined;
      const connecting = await connect(parsed);
      const socket = startsWithTls(parsed) ? await connected(connecting, parsed) : connecting;
      holdSocket(socket, request);
      return socket;
    },
  };
}

/**
 * postgres.js does not tell which of its connections asks, so that all share one turn. Going on with
 * every call would spread them over the hosts, some of which take no writes; waiting for all of this turn
 * would let one attempt that hangs hold the others back. Those of the turns before have no say.
 */
function connectInTurn(): PostgresSocket {
  let turn = 0;
  const ofThisTurn = new Set<net.Socket>();
  return (options) => {
    const { host: hosts, port: ports, path } = options as ParsedOptions;
    if (path) return net.connect(path);
    // Asked, because postgres.js removes all listeners before TLS.
    if ([...ofThisTurn].some(({ destroyed }) => destroyed)) {
      turn += 1;
      ofThisTurn.clear();
    }
    const [host, port] = [hosts[turn % hosts.length], ports[turn % hosts.length]];
    const socket = net.connect({ host: String(host), port: Number(port) });
    ofThisTurn.add(socket);
    // postgres.js reads both from the socket: TLS verifies the host's name, and errors tell the address.
    return Object.assign(socket, { host, port });
  };
}

function startsWithTls(options: object): boolean {
  const { ssl, sslnegotiation } = options as ParsedOptions;
  return Boolean(ssl) && sslnegotiation === 'direct';
}

/**
 * Waits for a connection that TLS is put on at once: postgres.js takes all listeners off it, and Node
 * crashes where it then goes on to another address. In place of one that fails comes another, which fails
 * once postgres.js listens.
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

/** postgres.js's own timer starts when it has the socket. */
function asOfPostgres(error: Error): Error {
  if (error.name !== 'AbortError') return error;
  return Object.assign(new Error('write CONNECT_TIMEOUT'), { code: 'CONNECT_TIMEOUT' });
}
