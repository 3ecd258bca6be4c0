/** The options of a preset: all of them. */
export interface Preset {
  readonly enable: true;
  readonly initialDelay: number;
  readonly interval: number;
  readonly count: number;
  readonly userTimeout: number;
  readonly maxRetransmitInterval: number | 'auto';
}

/**
 * For SQL, Redis and queue connection pools. An idle dead peer is dropped after 25 s.
 *
 * Most drivers already make libuv send a first probe after 10 s of silence. Three probes survive two lost
 * packets, and 25 s is less than the 30 s after which most pools and callers give up. `userTimeout` ends a
 * query in flight on a dead server after about the same time; it also ends a connection whose living server
 * has not read for 24.5 s, such as one that is busy with a COPY: use `bulk` for that.
 *
 * @see https://www.postgresql.org/docs/current/runtime-config-connection.html#RUNTIME-CONFIG-TCP-SETTINGS
 */
const database: Preset = Object.freeze({
  enable: true,
  initialDelay: 10_000,
  interval: 5_000,
  count: 3,
  userTimeout: 24_500,
  maxRetransmitInterval: 'auto',
});

/**
 * For databases in the same datacentre, if a failover must be noticed at once. An idle dead peer is dropped
 * after 11 s.
 *
 * Amazon's advice for Aurora failover (1 s / 1 s / 5) is faster still, but a first probe after less
 * than 5 s is noise on a pool of any size. `userTimeout` also ends a connection whose living server
 * has not read for 10.5 s.
 *
 * @see https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.BestPractices.FastFailover.html
 */
const fastFailover: Preset = Object.freeze({
  enable: true,
  initialDelay: 5_000,
  interval: 2_000,
  count: 3,
  userTimeout: 10_500,
  maxRetransmitInterval: 'auto',
});

/**
 * For WebSocket, gRPC and other long-lived sessions through NAT. An idle dead peer is dropped
 * after 90 s.
 *
 * 45 s is under the shortest limits of home routers. Proxies that count only payload (AWS ALB, Heroku,
 * Cloudflare, nginx) do not see TCP probes: use an application ping as well.
 * `userTimeout` also ends a connection whose living client has not read for 89.5 s.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5382#section-5
 */
const websocket: Preset = Object.freeze({
  enable: true,
  initialDelay: 45_000,
  interval: 15_000,
  count: 3,
  userTimeout: 89_500,
  maxRetransmitInterval: 'auto',
});

/**
 * For bulk loads and streams to a peer that may be slow: COPY and LOAD DATA into a busy server, pipelined writes, cursors,
 * `pg_dump`, streams that are read slowly. An idle dead peer is dropped after 25 s, as with `database`.
 *
 * There is no user timeout, which would end a living peer that has not read for that long. `maxRetransmitInterval` bounds
 * data in flight instead, on Linux 6.15 and later: a peer that is gone is given up after about 28 s, and one that answers
 * is waited for, however long. On older kernels a hold with these options looks itself, once a second, and ends a peer
 * that is silent for 25 s. **`setKeepAlive(socket, 'bulk')` holds nothing**, so that nothing bounds data in flight there,
 * nor on other systems: Linux gives up after 15 minutes. Use a timeout of the driver or a heartbeat in that case.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.1
 */
const bulk: Preset = Object.freeze({
  enable: true,
  initialDelay: 10_000,
  interval: 5_000,
  count: 3,
  userTimeout: 0,
  maxRetransmitInterval: 2_000,
});

/**
 * For SSH, VPN and proxy tunnels: six probes tolerate a route flap of nearly a minute. An idle dead
 * peer is dropped after 90 s.
 *
 * With OpenSSH's `ServerAliveInterval` 15 s x 3 is usual; probes lost in a route flap cost the whole tunnel,
 * so there are twice as many here. `userTimeout` also ends a connection whose living peer has not read for
 * 89.5 s.
 *
 * @see https://man.openbsd.org/ssh_config#ServerAliveCountMax
 */
const tunnel: Preset = Object.freeze({
  enable: true,
  initialDelay: 30_000,
  interval: 10_000,
  count: 6,
  userTimeout: 89_500,
  maxRetransmitInterval: 'auto',
});

/**
 * Keeps the state of NAT and cloud load balancers alive with few packets. An idle dead peer is dropped after
 * 120 s.
 *
 * The shortest common limit is Azure's 240 s; a probe a minute stays far below it even when some
 * are lost. `userTimeout` also ends a connection whose living peer has not read for 119.5 s.
 *
 * @see https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-reset
 */
const loadBalancer: Preset = Object.freeze({
  enable: true,
  initialDelay: 60_000,
  interval: 15_000,
  count: 4,
  userTimeout: 119_500,
  maxRetransmitInterval: 'auto',
});

/** The names of {@link presets}. */
export type PresetName = 'database' | 'fastFailover' | 'websocket' | 'bulk' | 'tunnel' | 'loadBalancer';

/**
 * Options for the usual cases, frozen: pass a name, or spread one and change it.
 *
 * The times to a drop are the nominal ones: the kernel's timer rounding adds up to 13 %.
 */
export const presets: {
  readonly database: Preset;
  readonly fastFailover: Preset;
  readonly websocket: Preset;
  readonly bulk: Preset;
  readonly tunnel: Preset;
  readonly loadBalancer: Preset;
} = Object.freeze({ database, fastFailover, websocket, bulk, tunnel, loadBalancer });
