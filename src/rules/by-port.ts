import type { KeepAliveRule } from './rule.ts';

/**
 * The rules for which `*=byPort` stands: presets by well-known port, for everything that a program opens. The ports are
 * those of IANA's registry, or the defaults of the servers.
 *
 * @see https://www.iana.org/assignments/service-names-port-numbers
 */
export const rulesByPort: readonly KeepAliveRule[] = [
  // SQL Server, Oracle, MySQL and its X protocol, PostgreSQL and PgBouncer, Cassandra, CockroachDB, MongoDB.
  {
    side: 'client',
    port: [1433, 1521, 3306, 33060, 5432, 6432, 9042, 26257, '27017-27019'],
    use: 'database',
  },
  // Redis, with TLS and its Sentinels; memcached.
  { side: 'client', port: [6379, 6380, 26379, 11211], use: 'database' },
  // AMQP, Kafka, NATS, STOMP and OpenWire.
  { side: 'client', port: [5671, 5672, '9092-9094', 4222, 61613, 61616], use: 'database' },
  // MQTT, which often comes through NAT. A list of two numbers would be warned of, because it was a range once.
  { side: 'client', port: [1883, '8883-8883'], use: 'websocket' },
  { side: 'client', port: 22, use: 'tunnel' },
  { side: 'client', use: 'loadBalancer' },
];
