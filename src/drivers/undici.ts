/** Keepalive timers for the connections of `undici`. @module tcp-keepalive/undici */
import net from 'node:net';
import { buildConnector } from 'undici';
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
 * The function that undici's `Agent`, `Pool` and `Client` call as `connect`. undici's own returns the socket, which is
 * still connecting.
 */
export type UndiciConnector = (
  endpoint: object,
  connected: (...result: [error: null, socket: net.Socket] | [error: Error, socket: null]) => void,
) => unknown;

/** The options of `Agent`, `Pool` and `Client` from which undici builds its own connector. */
interface ConnectingOptions {
  readonly connect?: object | null | undefined;
  /** undici still reads it, though its types no longer name it. */
  readonly tls?: object | null | undefined;
  readonly connectTimeout?: number | undefined;
  readonly maxCachedSessions?: number | null | undefined;
  readonly socketPath?: string | null | undefined;
  readonly allowH2?: boolean | undefined;
  readonly useH2c?: boolean | undefined;
  readonly autoSelectFamily?: boolean | undefined;
  readonly autoSelectFamilyAttemptTimeout?: number | undefined;
}

/**
 * Holds keepalive timers on every connection of an undici `Agent`, `Pool` or `Client`, and so of `fetch`.
 * Returns a copy of their options in which `connect` is a function that connects as undici does, or as
 * the caller's own function does, and then holds the timers. TLS and HTTP/2 work too.
 *
 * Each connection has them from its first SYN on, or with a connector of your own from when that calls back, so that
 * connecting and the TLS handshake are bounded too, beside undici's `connectTimeout`, 10 s by default. This module imports `undici` for its `buildConnector`, because the undici
 * inside Node exports nothing. A `ProxyAgent` makes its connections without calling `connect`.
 *
 * A vanished peer now fails the request in flight with `ETIMEDOUT`; `fetch` has it as `cause`. An idle
 * connection is dropped without an error.
 *
 * @param config - the options for `new Agent()`, `new Pool()` or `new Client()`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns a copy of the options
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * import { Agent, fetch } from 'undici';
 *
 * const dispatcher = new Agent(keepAliveUndici({ connections: 10 }, 'loadBalancer'));
 * await fetch('https://api.example', { dispatcher }); // or for all: setGlobalDispatcher(dispatcher)
 * ```
 */
export function keepAliveUndici<T extends object>(
  config: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T & { connect: UndiciConnector } {
  const request = driverRequest('keepAliveUndici', options, behaviour);
  const own = copyOfConfig('the options of a dispatcher of undici', config);
  const connectAsOwn = connectorOf(own);
  const connect = inPlaceOf<UndiciConnector>((own as ConnectingOptions).connect, (endpoint, connected) => {
    let connecting: unknown;
    connecting = connectAsOwn(endpoint, (...result) => {
      if (result[1] && result[1] !== connecting) holdSocket(result[1], request);
      connected(...result);
    });
    if (connecting instanceof net.Socket) holdSocket(connecting, request);
    return connecting;
  });
  return listed({ ...own, connect }, request);
}

/** The caller's own connector, or the one that undici builds from these options. */
function connectorOf(config: ConnectingOptions): UndiciConnector {
  if (typeof config.connect === 'function') return config.connect as UndiciConnector;
  const { connect, tls, connectTimeout, maxCachedSessions, socketPath, allowH2, useH2c, ...rest } = config;
  const { autoSelectFamily, autoSelectFamilyAttemptTimeout } = rest;
  const built = {
    ...tls,
    maxCachedSessions,
    socketPath,
    allowH2,
    useH2c,
    timeout: connectTimeout,
    ...(autoSelectFamily === undefined ? {} : { autoSelectFamily, autoSelectFamilyAttemptTimeout }),
    ...connect,
  };
  return buildConnector(built as buildConnector.BuildOptions) as UndiciConnector;
}
