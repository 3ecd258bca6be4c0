/**
 * Keepalive timers for connections of `mqtt`.
 *
 * @module tcp-keepalive/mqtt
 */
import type net from 'node:net';
import {
  driverRequest,
  expectTarget,
  holdSocket,
  isMethod,
  isObjectOrAbsent,
  type KeepAliveInput,
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
 * reconnects. With TLS (`mqtts`) too.
 *
 * A later connection gets them when the broker has accepted it; what comes before is bounded by mqtt's
 * `connectTimeout`, 30 s by default. A client over WebSockets (`ws`, `wss`) has no TCP socket to show and
 * goes on without, which is reported to `onError`, or as a process warning: give it an agent instead,
 * `wsOptions: { agent: keepAliveHttp(new http.Agent(), ...) }`.
 *
 * A vanished peer now raises the client's `'error'`, `ETIMEDOUT`, which needs a listener, and mqtt
 * reconnects. Without, MQTT's own `keepalive`, 60 s by default, tells after one and a half of it.
 *
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
  const request = driverRequest(options, behaviour);
  expectTarget('a client of mqtt', client, ({ on, stream }) => isMethod(on) && isObjectOrAbsent(stream));
  // mqtt destroys a stream that it gives up, and makes another.
  const hold = () => holdSocket(client.stream as net.Socket, request);
  if (client.stream) hold();
  client.on('connect', hold);
  return client;
}
