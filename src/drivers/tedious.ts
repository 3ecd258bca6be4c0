/**
 * Keepalive timers for connections of `tedious` (SQL Server).
 *
 * @module tcp-keepalive/tedious
 */
import { once } from 'node:events';
import net from 'node:net';
import { copyOfConfig, driverRequest, holdSocket, type KeepAliveInput, type OnError } from './kit.ts';

/**
 * What tedious takes as `connector`. It says where to connect to, with a signal that ends the attempt;
 * its types do not tell, and a function of the caller's own need not ask.
 */
export type TediousConnector = (
  address?: TediousAddress,
  lookup?: unknown,
  signal?: AbortSignal,
) => Promise<net.Socket>;

/** Worked out from an instance name, or sent by the server that a connection was redirected from. */
interface TediousAddress {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string | undefined;
}

/** The configuration of a tedious `Connection`, or of an `mssql` pool, as far as it says how to connect. */
interface ConnectingConfig {
  readonly server?: string;
  /** Where `mssql` has it. */
  readonly port?: number;
  readonly options?: {
    readonly port?: number;
    readonly localAddress?: string;
    readonly connector?: TediousConnector;
  };
}

/**
 * Holds keepalive timers on the connection of tedious, or every one of an `mssql` pool, from the moment
 * when TCP connects. Takes the configuration for it and returns a copy in which `options.connector`
 * connects as tedious would have, or as the function that was there, and then holds the timers. With TLS,
 * instance names and redirection too, and over the 30 s, 1 s and 10 probes that tedious always sets.
 *
 * Of a name with several addresses, `multiSubnetFailover` tries all at once; here they are tried one after
 * the other, 250 ms each (Node's `autoSelectFamily`).
 *
 * Connecting is bounded by tedious's `connectTimeout`, 15 s by default.
 *
 * A vanished peer now raises an error on the request in flight and ends the connection, `ESOCKET`, with
 * `ETIMEDOUT` in its message.
 *
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
  const request = driverRequest(options, behaviour);
  const own = copyOfConfig<T & ConnectingConfig>('the configuration of tedious', config);
  const ownOptions = copyOfConfig('`options` of tedious to be an object', own.options ?? {});
  const connect = ownOptions.connector ?? connectorFor(own);
  const connector: TediousConnector = async (...asked) => {
    const socket = await connect(...asked);
    holdSocket(socket, request);
    return socket;
  };
  return { ...own, options: { ...ownOptions, connector } };
}

/** As tedious does it; without its word, to what the configuration says. */
function connectorFor({ server = 'localhost', port = 1433, options }: ConnectingConfig): TediousConnector {
  const configured = { host: server, port: options?.port ?? port, localAddress: options?.localAddress };
  return async (address = configured, _lookup, signal) => {
    const socket = net.connect({ ...address, autoSelectFamily: true } as net.TcpNetConnectOpts);
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
}
