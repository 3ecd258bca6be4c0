/**
 * Application pings, which notice what no TCP option can: a process that hangs while its kernel answers
 * probes, and a proxy that counts bytes of payload only.
 * @module tcp-keepalive/heartbeat
 */
export type { Silence } from './beat.ts';
export { type Heartbeat, type HeartbeatOptions, heartbeat } from './heartbeat.ts';
export { heartbeatHttp2, type PingableSession } from './http2.ts';
export {
  heartbeatMysql2,
  type Mysql2Connection,
  type Mysql2Pool,
  type Mysql2PromisePool,
} from './mysql2.ts';
export type { ReadyHeartbeatOptions } from './options.ts';
export { heartbeatPg, type PgClient, type PgPool } from './pg.ts';
export {
  heartbeatRedis,
  type PingableCluster,
  type PingableIoredis,
  type PingableNodeRedis,
} from './redis.ts';
export { heartbeatWs, type PingableServer, type PingableSocket } from './ws.ts';
