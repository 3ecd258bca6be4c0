/**
 * Keepalive timers for connections of `undici`.
 *
 * @module tcp-keepalive/undici
 */
import type net from 'node:net';
import { buildConnector } from 'undici';
import { copyOfConfig, driverRequest, holdSocket, type KeepAliveInput, type OnError } from './kit.ts';

/** What undici's `Agent`, `Pool` and `Client` take as `connect`, once it is a function. */
export type UndiciConnector = (
  endpoint: object,
  connected: (...result: [error: null, socket: net.Socket] | [error: Error, socket: null]) => void,
) => void;

/** The options of `Agent`, `Pool` and `Client` from which undici builds its own connector. */
interface ConnectingOptions {
  readonly connect?: object | null | undefined;
  /** Not in undici's types any more, but still taken. */
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
 * Takes their options and returns a copy in which `connect` is a function that connects as undici would
 * have, or as the function that was there, and then holds the timers. With TLS and HTTP/2 too.
 *
 * A connection gets them when it is ready, after any TLS handshake. What comes before is bounded by
 * undici's `connectTimeout`, 10 s by default. This module imports `undici`, for its `buildConnector`:
 * the one inside Node is not to be had. A `ProxyAgent` connects on its own, past this.
 *
 * A vanished peer now raises an error on the request in flight, `ETIMEDOUT`; `fetch` has it as `cause`.
 * A connection that was idle is dropped without a word.
 *
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
  const request = driverRequest(options, behaviour);
  const own = copyOfConfig('the options of a dispatcher of undici', config);
  const connect = connectorOf(own);
  return {
    ...own,
    connect: (endpoint, connected) =>
      connect(endpoint, (...result) => {
        if (result[1]) holdSocket(result[1], request);
        connected(...result);
      }),
  };
}

/** The caller's own, or the one that undici would build from these options. */
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
