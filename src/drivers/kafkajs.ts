/** Keepalive timers for the connections of `kafkajs`. @module tcp-keepalive/kafkajs */
import net from 'node:net';
import tls from 'node:tls';
import {
  copyOfConfig,
  driverRequest,
  holdSocket,
  inPlaceOf,
  type KeepAliveInput,
  listed,
  type OnError,
} from './kit.ts';

/** The function that kafkajs calls as `socketFactory`. */
export type KafkaSocketFactory = (broker: {
  host: string;
  port: number;
  ssl: tls.ConnectionOptions;
  onConnect: () => void;
}) => net.Socket;

/**
 * Holds keepalive timers on every connection of a kafkajs client, to each broker, from its first SYN on.
 * Returns a copy of its configuration in which `socketFactory` connects as kafkajs does, or as the
 * caller's own function does, and then holds the timers. TLS works too. The timers replace the 60 s, 1 s
 * and 10 probes that kafkajs sets.
 *
 * Connecting is bounded by kafkajs's `connectionTimeout` too, 1 s by default, and a request without an answer
 * by `requestTimeout`, 30 s by default: keepalive is faster, and notices a dead idle connection too.
 *
 * A vanished peer now fails the request in flight with a `KafkaJSConnectionError` that has `ETIMEDOUT` in
 * its message; kafkajs retries it as configured.
 *
 * @param config - the configuration for `new Kafka()`
 * @param options - a preset's name, or options in milliseconds
 * @param behaviour - `onError`: called with what could not be set, instead of a process warning
 * @returns a copy of the configuration
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 *
 * @example
 * ```ts
 * const kafka = new Kafka(keepAliveKafkajs({ brokers: ['kafka:9092'] }, 'database'));
 * ```
 */
export function keepAliveKafkajs<T extends object>(
  config: T,
  options: KeepAliveInput,
  behaviour: { onError?: OnError | undefined } = {},
): T & { socketFactory: KafkaSocketFactory } {
  const request = driverRequest('keepAliveKafkajs', options, behaviour);
  const own: { socketFactory?: KafkaSocketFactory } & T = copyOfConfig(
    'the configuration of kafkajs',
    config,
  );
  const connect = own.socketFactory ?? connectToBroker;
  const socketFactory = inPlaceOf<KafkaSocketFactory>(own.socketFactory, (broker) => {
    const socket = connect(broker);
    holdSocket(socket, request);
    return socket;
  });
  return listed({ ...own, socketFactory }, request);
}

/** Connects as kafkajs does. It passes no `ssl` if TLS is off. */
const connectToBroker: KafkaSocketFactory = ({ host, port, ssl, onConnect }) => {
  if (!ssl) return net.connect({ host, port }, onConnect);
  const servername = net.isIP(host) ? {} : { servername: host };
  return tls.connect({ host, port, ...servername, ...ssl }, onConnect);
};
