/** Lists the TCP connections of a Linux machine, those of other processes too. @module tcp-keepalive/machine */
export type { TcpInfo, TcpState } from '../kernel/tcp-info.ts';
export type { KeepAliveSettings } from '../options/options.ts';
export type { Endpoint } from './endpoint.ts';
export { type Connection, type ConnectionFilter, type ConnectionTimer, listConnections } from './list.ts';
export type { Owner } from './owner.ts';
