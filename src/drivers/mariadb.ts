/** Keepalive timers for the connections of `mariadb`. @module tcp-keepalive/mariadb */
import net from 'node:net';
import type { Duplex } from 'node:stream';
import {
  copyOfConfig,
  driverRequest,
  holdSocket,
  inPlaceOf,
  type KeepAliveInput,
  listed,
  type OnError,
} from './kit.ts';

/** The function that mariadb calls as `stream`: it passes a stream to the callback, or returns one. */
export type MariadbStream = (connected: (error?: Error, stream?: Duplex) => void) => unknown;

/** The options of a mariadb connection or pool, as far as they say how to connect. */
interface ConnectingOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly stream?: MariadbStream | undefined;
}

/**
 * Holds keepalive timers on every connection of a mariadb pool, or on a single one, from its first SYN
 * on. Returns a copy of the options in which `stream` connects as mariadb does, or as the caller's
 * own function does, and then holds the timers. TLS works too. The timers replace what mariadb's
 * `keepAliveDelay` sets. A URL cannot hold a function: write the options as an object.
 *
 * Connecting is bounded by mariadb's `connectTimeout` too, 1 s by default.
 *
 * A vanished peer now fails the query in flight, with `ETIMEDOUT` in the error's `cause`. A pool drops an
 * idle connection without an error; a connection without a pool needs an `'error'` listener.
 *
 * A Unix socket (`socketPath`) gets no timers, since mariadb then calls no `stream`.
 *
 * @param config - the options for `createPool()` or `createConnection()`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns a copy of the options
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const pool = mariadb.createPool(keepAliveMariadb({ host: 'db', user: 'app' }, 'database'));
 * ```
 */
export function keepAliveMariadb<T extends object>(
  config: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T & { stream: MariadbStream } {
  const request = driverRequest('keepAliveMariadb', options, behaviour);
  const own = copyOfConfig<T & ConnectingOptions>('an object of options of mariadb', config);
  const held = (stream: unknown) => {
    // mariadb accepts any stream; holdSocket checks that this one is a socket.
    holdSocket(stream as net.Socket, request);
    return stream as Duplex;
  };
  const stream = inPlaceOf<MariadbStream>(own.stream, (connected) => {
    if (own.stream === undefined) return connected(undefined, held(connect(own)));
    const returned = own.stream((error, made) => {
      if (error) connected(error);
      else connected(undefined, held(made ?? connect(own)));
    });
    return returned ? held(returned) : undefined;
  });
  return listed({ ...own, stream }, request);
}

/** Connects as mariadb does, with its defaults. */
function connect({ host = 'localhost', port = 3306 }: ConnectingOptions): net.Socket {
  return net.connect(port, host).setNoDelay(true);
}
