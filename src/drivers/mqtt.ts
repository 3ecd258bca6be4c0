/** Keepalive timers for the connections of `mqtt`. @module tcp-keepalive/mqtt */
import type net from 'node:net';
import {
  afterEach,
  type DriverRequest,
  driverRequest,
  expectTarget,
  holdSocket,
  isEmitter,
  isMethod,
  isObjectOrAbsent,
  type KeepAliveInput,
  later,
  type Members,
  type OnError,
} from './kit.ts';

/** An `MqttClient` of mqtt. */
export interface MqttConnection {
  /** Absent until it connects for the first time. */
  readonly stream: unknown;
  on(event: 'connect', listener: () => void): unknown;
}

/**
 * Holds keepalive timers on the connection of an mqtt client, open or not, and again each time it
 * reconnects. TLS (`mqtts`) works too.
 *
 * Each connection has them from its first SYN on, so that connecting and the TLS handshake are bounded too, beside
 * mqtt's `connectTimeout`, 30 s by default. A client over WebSockets (`ws`, `wss`) shows no TCP socket and gets no timers, which
 * is reported: give it an agent instead, `wsOptions: { agent: keepAliveHttp(new http.Agent(), ...) }`.
 *
 * A vanished peer now raises the client's `'error'`, `ETIMEDOUT`, which needs a listener, and mqtt
 * reconnects. MQTT's own `keepalive`, 60 s by default, notices it after one and a half times that.
 *
 * @param client - what `mqtt.connect()` returns
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns the same client
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, before anything is touched
 *
 * @example
 * ```ts
 * const client = keepAliveMqtt(mqtt.connect('mqtt://broker'), 'fastFailover');
 * ```
 */
export function keepAliveMqtt<T extends MqttConnection>(
  client: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T {
  const request = driverRequest('keepAliveMqtt', options, behaviour);
  expectTarget('a client of mqtt', client, isClient, request);
  const told = later(client, request, (asked: DriverRequest) => {
    if (client.stream) holdSocket(client.stream as net.Socket, asked);
  });
  told();
  // mqtt makes a new stream for each connection, and calls this method to reconnect too.
  afterEach(client, 'connect', told);
  return client;
}

function isClient(target: Members): boolean {
  const { connected, connect, publish, stream } = target;
  return (
    isEmitter(target) &&
    typeof connected === 'boolean' &&
    isMethod(connect) &&
    isMethod(publish) &&
    isObjectOrAbsent(stream)
  );
}
