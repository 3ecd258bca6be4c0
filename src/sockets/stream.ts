import net from 'node:net';
import type { KeepAliveInput } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { holdSocket } from './hold.ts';
import { EXPLICIT } from './hold-record.ts';
import { type OnError, onErrorOf } from './report.ts';

/** mysql2 calls its `stream` with this. pg passes an object without `config`. */
interface AskedByMysql2 {
  readonly config: { readonly host?: string; readonly port?: number | string; readonly socketPath?: string };
}

/**
 * Makes the function that pg and mysql2 accept as their option `stream`, for an ORM or query builder that passes its
 * driver's options on, but whose own hooks come after the login. Each socket that it makes is held from its first SYN on,
 * so that connecting, the TLS handshake and the login are bounded too.
 *
 * pg connects the socket itself. For mysql2, it is connected as mysql2 does without this option, to `host` and `port` or to
 * `socketPath`, with `TCP_NODELAY`.
 *
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns a function that makes a socket each time that it is called
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const db = knex({ client: 'pg', connection: { host: 'db', stream: keepAliveStream('database') } });
 * ```
 */
export function keepAliveStream(
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): (asked?: object) => net.Socket {
  const request = {
    settings: parseKeepAliveOptions(options),
    rank: EXPLICIT,
    onError: onErrorOf(behaviour),
    owner: { released: false, name: 'keepAliveStream' },
  };
  return (asked) => {
    const socket = isAskedByMysql2(asked) ? connect(asked) : new net.Socket();
    holdSocket(socket, request);
    return socket;
  };
}

function isAskedByMysql2(asked: object | undefined): asked is AskedByMysql2 {
  return typeof (asked as Partial<AskedByMysql2> | undefined)?.config === 'object';
}

function connect({ config: { host = 'localhost', port = 3306, socketPath } }: AskedByMysql2): net.Socket {
  return socketPath ? net.connect(socketPath) : net.connect(Number(port), host).setNoDelay(true);
}
