/**
 * Application pings, for what no TCP option can see: a process that hangs while its kernel answers
 * probes, and a proxy that counts bytes of payload only.
 *
 * @module
 */
export { type Heartbeat, type HeartbeatOptions, heartbeat, type Silence } from './heartbeats/heartbeat.ts';
export { heartbeatHttp2, type PingableSession } from './heartbeats/http2.ts';
export {
  heartbeatMysql2,
  type Mysql2Connection,
  type Mysql2Pool,
  type Mysql2PromisePool,
} from './heartbeats/mysql2.ts';
export { heartbeatPg, type PgClient, type PgPool } from './heartbeats/pg.ts';
export type { ReadyHeartbeatOptions } from './heartbeats/ready.ts';
export { heartbeatWs, type PingableServer, type PingableSocket } from './heartbeats/ws.ts';
