/**
 * Keepalive timers for connections of `kafkajs`.
 *
 * @module tcp-keepalive/kafkajs
 */
import net from 'node:net';
import tls from 'node:tls';
import { copyOfConfig, driverRequest, holdSocket, type KeepAliveInput, type OnError } from './kit.ts';

/** What kafkajs takes as `socketFactory`. */
export type KafkaSocketFactory = (broker: {
  host: string;
  port: number;
  ssl: tls.ConnectionOptions;
  onConnect: () => void;
}) => net.Socket;

/**
 * Holds keepalive timers on every connection of a kafkajs client, to each broker, from the moment when
 * TCP connects. Takes its configuration and returns a copy in which `socketFactory` connects as kafkajs
 * would have, or as the function that was there, and then holds the timers. With TLS too, and over the
 * 60 s, 1 s and 10 probes that kafkajs itself sets.
 *
 * Connecting is bounded by kafkajs's `connectionTimeout`, 1 s by default, and a request without an answer
 * by `requestTimeout`, 30 s by default: keepalive tells sooner, and tells an idle connection too.
 *
 * A vanished peer now raises an error on the request in flight, `KafkaJSConnectionError` with `ETIMEDOUT`
 * in its message, which kafkajs retries as it is configured to.
 *
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
  const request = driverRequest(options, behaviour);
  const own: { socketFactory?: KafkaSocketFactory } & T = copyOfConfig(
    'the configuration of kafkajs',
    config,
  );
  const connect = own.socketFactory ?? connectToBroker;
  return {
    ...own,
    socketFactory: (broker) => {
      const socket = connect(broker);
      holdSocket(socket, request);
      return socket;
    },
  };
}

/** kafkajs gives no `ssl` where it is off. */
const connectToBroker: KafkaSocketFactory = ({ host, port, ssl, onConnect }) => {
  if (!ssl) return net.connect({ host, port }, onConnect);
  const servername = net.isIP(host) ? {} : { servername: host };
  return tls.connect({ host, port, ...servername, ...ssl }, onConnect);
};
