/**
 * Keepalive timers for connections of `mariadb`.
 *
 * @module tcp-keepalive/mariadb
 */
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { copyOfConfig, driverRequest, holdSocket, type KeepAliveInput, type OnError } from './kit.ts';

/** What mariadb takes as `stream`: it hands its stream to the callback, or in fact may return it. */
export type MariadbStream = (connected: (error?: Error, stream?: Duplex) => void) => unknown;

/** The options of a mariadb connection or pool, as far as they say how to connect. */
interface ConnectingOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly stream?: MariadbStream | undefined;
}

/**
 * Holds keepalive timers on every connection of a mariadb pool, or on a single one, from the moment when
 * TCP connects. Takes the options for it and returns a copy in which `stream` connects as mariadb would
 * have, or as the function that was there, and then holds the timers. With TLS too, and over what its own
 * `keepAliveDelay` sets. Options written as a URL have no room for a function: write them as an object.
 *
 * Connecting is bounded by mariadb's `connectTimeout`, 1 s by default.
 *
 * A vanished peer now raises an error on the query in flight, `ETIMEDOUT` in its `cause`. A pool drops a
 * connection that was idle without a word; a connection of its own needs an `'error'` listener.
 *
 * A Unix socket (`socketPath`) goes past this, since mariadb then asks for no stream.
 *
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
  const request = driverRequest(options, behaviour);
  const own = copyOfConfig<T & ConnectingOptions>('an object of options of mariadb', config);
  const held = (stream: unknown) => {
    // What it is in fact, holdSocket finds out: mariadb takes any stream.
    holdSocket(stream as net.Socket, request);
    return stream as Duplex;
  };
  const stream: MariadbStream = (connected) => {
    if (own.stream === undefined) return connected(undefined, held(connect(own)));
    const returned = own.stream((error, made) => {
      if (error) connected(error);
      else connected(undefined, held(made ?? connect(own)));
    });
    return returned ? held(returned) : undefined;
  };
  return { ...own, stream };
}

/** As mariadb does it, with its defaults. */
function connect({ host = 'localhost', port = 3306 }: ConnectingOptions): net.Socket {
  return net.connect(port, host).setNoDelay(true);
}
