import { wrap } from '../options/show.ts';
import type { KeepAlivePlan } from './plan.ts';
import { predictDetection } from './predict.ts';

/**
 * Writes a plan as text for the configuration of one system. A comment names what it cannot express.
 *
 * @param plan - the options
 * @param detectWithin - the deadline that the plan meets, in ms
 */
export type Configuration = (plan: KeepAlivePlan, detectWithin: number) => string;

/** For this library. */
const ts: Configuration = (plan) => `import { keepAlive } from 'tcp-keepalive';

keepAlive(socket, {
  initialDelay: ${apart(plan.initialDelay)},
  interval: ${apart(plan.interval)},
  count: ${plan.count},
  userTimeout: ${apart(plan.userTimeout)},
  maxRetransmitInterval: ${apart(plan.maxRetransmitInterval)},
});
`;

/** @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES */
const libpq: Configuration = (
  plan,
) => `# In a service of pg_service.conf, or on one line in a connection string.
# tcp_user_timeout is in milliseconds, the others in seconds.
keepalives=1
keepalives_idle=${inSeconds(plan.initialDelay)}
keepalives_interval=${inSeconds(plan.interval)}
keepalives_count=${plan.count}
tcp_user_timeout=${plan.userTimeout}
# The server's end, in postgresql.conf:
#   tcp_keepalives_idle = ${inSeconds(plan.initialDelay)}
#   tcp_keepalives_interval = ${inSeconds(plan.interval)}
#   tcp_keepalives_count = ${plan.count}
# A tcp_user_timeout there ends clients that read a large result slowly. Only if
# there are none:
#   # tcp_user_timeout = ${plan.userTimeout}
`;

/** @see https://www.pgbouncer.org/config.html#low-level-network-settings */
const pgbouncer: Configuration = (plan) => `; tcp_user_timeout is in milliseconds, the others in seconds.
[pgbouncer]
tcp_keepalive = 1
tcp_keepidle = ${inSeconds(plan.initialDelay)}
tcp_keepintvl = ${inSeconds(plan.interval)}
tcp_keepcnt = ${plan.count}
tcp_user_timeout = ${plan.userTimeout}
`;

/** @see https://docs.haproxy.org/dev/configuration.html#4.2-clitcpka-idle */
const haproxy: Configuration = (plan) => `defaults
    # Towards clients.
    option clitcpka
    clitcpka-idle ${inSeconds(plan.initialDelay)}s
    clitcpka-intvl ${inSeconds(plan.interval)}s
    clitcpka-cnt ${plan.count}
    # Towards servers.
    option srvtcpka
    srvtcpka-idle ${inSeconds(plan.initialDelay)}s
    srvtcpka-intvl ${inSeconds(plan.interval)}s
    srvtcpka-cnt ${plan.count}
    default-server tcp-ut ${plan.userTimeout}ms
# The user timeout towards clients belongs on each bind line:
#   bind :5432 tcp-ut ${plan.userTimeout}ms
${commented(
  'These probes do not count for "timeout client", "timeout server" and "timeout tunnel": HAProxy ends a connection ' +
    'without payload after those. Send an application ping, or make them longer than connections are idle.',
)}
`;

/** @see https://nginx.org/en/docs/http/ngx_http_core_module.html#listen */
const nginx: Configuration = (
  plan,
) => `# Towards clients: add so_keepalive to the listen lines of your server blocks,
# of http or stream, such as
#   listen 443 ssl so_keepalive=${inSeconds(plan.initialDelay)}s:${inSeconds(plan.interval)}s:${plan.count};
${commented(
  `nginx cannot set a user timeout (${plan.userTimeout} ms): data in flight is bounded by send_timeout (http), ` +
    'proxy_timeout (stream), or tcp_retries2 (--format sysctl).',
)}
# Towards upstreams nginx only turns keepalive on. The times are the system's,
# 2 h where nobody has set them (--format sysctl).
proxy_socket_keepalive on;
${commented(
  'Probes do not count for proxy_read_timeout (http) and proxy_timeout (stream): nginx ends a connection without ' +
    'payload after those.',
)}
`;

/** @see https://docs.kernel.org/networking/ip-sysctl.html */
const sysctl: Configuration = (
  plan,
  detectWithin,
) => `# /etc/sysctl.d/60-tcp-keepalive.conf: for sockets that turn SO_KEEPALIVE on
# and set no times.
${keepaliveSysctls(plan)
  .map(([name, value]) => `${name} = ${value}\n`)
  .join('')}${retriesComment(plan, detectWithin)}
# net.ipv4.tcp_retries2 = ${retriesWithin(detectWithin)}
`;

/** @see https://docs.docker.com/reference/compose-file/services/#sysctls */
const docker: Configuration = (
  plan,
  detectWithin,
) => `# compose.yaml: for sockets that turn SO_KEEPALIVE on and set no times.
services:
  app:
    sysctls:
${keepaliveSysctls(plan)
  .map(([name, value]) => `      ${name}: ${value}\n`)
  .join('')}${indented(6, retriesComment(plan, detectWithin))}
      # net.ipv4.tcp_retries2: ${retriesWithin(detectWithin)}
`;

/** @see https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/ */
const kubernetes: Configuration = (
  plan,
  detectWithin,
) => `# In a Pod, or under spec.template of a Deployment: for sockets that turn
# SO_KEEPALIVE on and set no times. Safe sysctls since Kubernetes 1.29; before,
# the kubelet must allow them (--allowed-unsafe-sysctls).
spec:
  securityContext:
    sysctls:
${keepaliveSysctls(plan)
  .map(([name, value]) => `      - name: ${name}\n        value: "${value}"\n`)
  .join('')}${indented(6, retriesComment(plan, detectWithin))}
      # It is not a safe sysctl: the kubelet must allow it.
      # - name: net.ipv4.tcp_retries2
      #   value: "${retriesWithin(detectWithin)}"
`;

/** Every format, by its name for `--format`. */
export const configurations: Readonly<Record<string, Configuration>> = Object.freeze({
  ts,
  libpq,
  pgbouncer,
  haproxy,
  nginx,
  sysctl,
  docker,
  kubernetes,
});

function keepaliveSysctls(plan: KeepAlivePlan): [name: string, value: number][] {
  return [
    ['net.ipv4.tcp_keepalive_time', inSeconds(plan.initialDelay)],
    ['net.ipv4.tcp_keepalive_intvl', inSeconds(plan.interval)],
    ['net.ipv4.tcp_keepalive_probes', plan.count],
  ];
}

function retriesComment({ userTimeout }: KeepAlivePlan, detectWithin: number): string {
  const { latest } = predictDetection({}, { tcpRetries2: retriesWithin(detectWithin) }).unacknowledged;
  return commented(
    `There is no sysctl for a user timeout (${userTimeout} ms). The nearest bounds data in flight, on all ` +
      `connections, at ${Math.ceil(latest / 1_000)} s. RFC 1122 asks for 100 s at least, which is 8.`,
  );
}

function commented(text: string): string {
  return wrap(text, 70)
    .map((line) => `# ${line}`)
    .join('\n');
}

/** How many retransmissions fit in a time, and at least one. */
function retriesWithin(detectWithin: number): number {
  let retries = 1;
  const latest = (tcpRetries2: number) => predictDetection({}, { tcpRetries2 }).unacknowledged.latest;
  while (retries < 255 && latest(retries + 1) <= detectWithin) retries++;
  return retries;
}

function indented(columns: number, text: string): string {
  return text
    .split('\n')
    .map((line) => ' '.repeat(columns) + line)
    .join('\n');
}

function inSeconds(ms: number): number {
  return ms / 1_000;
}

/** A number as the code of this project writes it: `26_500`. */
function apart(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '_');
}
