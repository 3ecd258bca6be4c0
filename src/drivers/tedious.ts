/** Keepalive timers for the connections of `tedious` (SQL Server). @module tcp-keepalive/tedious */
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

/**
 * The function that tedious calls as `connector`, with the address and a signal that ends the attempt.
 * The types of tedious name neither, so a caller's own function need not accept them.
 */
export type TediousConnector = (
  address?: TediousAddress,
  lookup?: unknown,
  signal?: AbortSignal,
) => Promise<net.Socket>;

/** The address that tedious found for an instance name, or that a server redirects to. */
interface TediousAddress {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string | undefined;
}

/** The part of the configuration of a tedious `Connection`, or an `mssql` pool, that says how to connect. */
interface ConnectingConfig {
  readonly server?: string;
  /** The port of `mssql`; tedious has it in `options`. */
  readonly port?: number;
  readonly options?: {
    readonly port?: number;
    readonly localAddress?: string;
    readonly connector?: TediousConnector;
  };
}

/**
 * Holds keepalive timers on the connection of tedious, or every one of an `mssql` pool, as soon as TCP
 * connects. Returns a copy of the configuration in which `options.connector` connects as tedious does, or
 * as the caller's own function does, and then holds the timers. TLS, instance names and redirection work
 * too. The timers replace the 30 s, 1 s and 10 probes that tedious always sets.
 *
 * If a name has several addresses, they are tried one after the other, 250 ms each (Node's
 * `autoSelectFamily`), and not all at once as `multiSubnetFailover` does.
 *
 * Each connection has them from its first SYN on, or with a connector of your own from when that returns. Connecting is
 * bounded by tedious's `connectTimeout` too, 15 s by default.
 *
 * A vanished peer now ends the connection and fails the request in flight with `ESOCKET`, with `ETIMEDOUT`
 * in its message.
 *
 * @param config - the configuration for `new Connection()` or an `mssql` pool
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns a copy of the configuration
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const connection = new Connection(keepAliveTedious({ server: 'db', authentication }, 'database'));
 * ```
 */
export function keepAliveTedious<T extends object>(
  config: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T & { options: { connector: TediousConnector } } {
  const request = driverRequest('keepAliveTedious', options, behaviour);
  const own = copyOfConfig<T & ConnectingConfig>('the configuration of tedious', config);
  const ownOptions = copyOfConfig('`options` of tedious to be an object', own.options ?? {});
  const hold = (socket: net.Socket) => {
    holdSocket(socket, request);
    return socket;
  };
  const { connector: connect } = ownOptions;
  const connector = inPlaceOf<TediousConnector>(
    connect,
    connect ? async (...asked) => hold(await connect(...asked)) : connectorFor(own, hold),
  );
  return listed({ ...own, options: { ...ownOptions, connector } }, request);
}

/** Connects as tedious does: to the address that it passes, or else to the configured one. */
function connectorFor(
  { server = 'localhost', port = 1433, options }: ConnectingConfig,
  hold: (socket: net.Socket) => net.Socket,
): TediousConnector {
  const configured = { host: server, port: options?.port ?? port, localAddress: options?.localAddress };
  return async (address = configured, _lookup, signal) => {
    const socket = hold(net.connect({ ...address, autoSelectFamily: true } as net.TcpNetConnectOpts));
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
}
