import { hasProbeTimer, type KeepAliveInput, type KeepAliveSettings } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { wrap } from '../options/show.ts';
import { wordsOf } from '../options/words.ts';
import { predictDetection } from './predict.ts';

/**
 * Writes options as text for the configuration of one system. What is left out of them is left out of the text, and a
 * comment names what the system cannot express.
 *
 * @param input - a preset's name, or options
 * @param detectWithin - the deadline that they meet, in ms; by default what they come to
 */
export type Configuration = (input: KeepAliveInput, detectWithin?: number) => string;

/** The lines of a text, of which those that are `undefined` are left out. */
type Lines = readonly (string | undefined)[];

/** The options, checked, and the deadline. */
interface Subject {
  readonly input: KeepAliveInput;
  readonly settings: KeepAliveSettings;
  readonly detectWithin: number;
}

/** For this library. */
const ts = ({ input, settings }: Subject): Lines => [
  "import { keepAlive } from 'tcp-keepalive';",
  '',
  ...(typeof input === 'string'
    ? [`keepAlive(socket, '${input}');`]
    : ['keepAlive(socket, {', ...fieldLines(settings), '});']),
];

function fieldLines(settings: KeepAliveSettings): string[] {
  return Object.entries(settings)
    .filter(([name, value]) => name !== 'enable' || value === false || !hasProbeTimer(settings))
    .map(([name, value]) => `  ${name}: ${apart(value)},`);
}

/** For every connection of a process, which `tcp-keepalive/register` reads. */
const env = ({ input, settings }: Subject): Lines => [
  `TCP_KEEPALIVE='*=${wordsOf(typeof input === 'string' ? input : settings).join(',')}' \\`,
  '  node --require tcp-keepalive/register app.js',
];

/** @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES */
const libpq = ({ settings: { enable, initialDelay, interval, count, userTimeout } }: Subject): Lines => [
  '# In a service of pg_service.conf, or on one line in a connection string.',
  '# tcp_user_timeout is in milliseconds, the others in seconds.',
  setting('keepalives', flag(enable)),
  setting('keepalives_idle', seconds(initialDelay)),
  setting('keepalives_interval', seconds(interval)),
  setting('keepalives_count', count),
  setting('tcp_user_timeout', userTimeout),
  ...(initialDelay === undefined && interval === undefined && count === undefined
    ? []
    : [
        "# The server's end, in postgresql.conf:",
        setting('#   tcp_keepalives_idle', seconds(initialDelay), ' = '),
        setting('#   tcp_keepalives_interval', seconds(interval), ' = '),
        setting('#   tcp_keepalives_count', count, ' = '),
      ]),
  ...(userTimeout
    ? [
        '# A tcp_user_timeout there ends clients that read a large result slowly. Only if',
        '# there are none:',
        `#   # tcp_user_timeout = ${userTimeout}`,
      ]
    : []),
];

/** @see https://www.pgbouncer.org/config.html#low-level-network-settings */
const pgbouncer = ({ settings: { enable, initialDelay, interval, count, userTimeout } }: Subject): Lines => [
  '; tcp_user_timeout is in milliseconds, the others in seconds.',
  '[pgbouncer]',
  setting('tcp_keepalive', flag(enable), ' = '),
  setting('tcp_keepidle', seconds(initialDelay), ' = '),
  setting('tcp_keepintvl', seconds(interval), ' = '),
  setting('tcp_keepcnt', count, ' = '),
  setting('tcp_user_timeout', userTimeout, ' = '),
];

/** @see https://docs.haproxy.org/dev/configuration.html#4.2-clitcpka-idle */
const haproxy = ({ settings }: Subject): Lines => [
  'defaults',
  '    # Towards clients.',
  ...haproxyProbes('clitcpka', settings),
  '    # Towards servers.',
  ...haproxyProbes('srvtcpka', settings),
  ...(settings.userTimeout
    ? [
        // HAProxy 2.6 accepts it on a default-server line, and ignores it there.
        '# The user timeout belongs on each bind line and each server line, such as',
        `#   bind :5432 tcp-ut ${settings.userTimeout}ms`,
        `#   server db 10.0.0.1:5432 tcp-ut ${settings.userTimeout}ms`,
      ]
    : []),
  commented(
    'These probes do not count for "timeout client", "timeout server" and "timeout tunnel": HAProxy ends a connection ' +
      'without payload after those. Send an application ping, or make them longer than connections are idle.',
  ),
];

function haproxyProbes(
  side: 'clitcpka' | 'srvtcpka',
  { enable, initialDelay, interval, count }: KeepAliveSettings,
): Lines {
  if (enable === false) return [`    no option ${side}`];
  return [
    enable ? `    option ${side}` : undefined,
    initialDelay === undefined ? undefined : `    ${side}-idle ${seconds(initialDelay)}s`,
    interval === undefined ? undefined : `    ${side}-intvl ${seconds(interval)}s`,
    setting(`    ${side}-cnt`, count, ' '),
  ];
}

/** @see https://nginx.org/en/docs/http/ngx_http_core_module.html#listen */
const nginx = ({ settings: { enable, initialDelay, interval, count, userTimeout } }: Subject): Lines => {
  const times = [initialDelay, interval].map((time) => (time === undefined ? '' : `${seconds(time)}s`));
  const given = [...times, count ?? ''].join(':');
  return [
    '# Towards clients: add so_keepalive to the listen lines of your server blocks,',
    '# of http or stream, such as',
    `#   listen 443 ssl so_keepalive=${enable === false ? 'off' : given === '::' ? 'on' : given};`,
    commented(
      `nginx cannot set a user timeout${ofUserTimeout(userTimeout)}: data in flight is bounded by send_timeout (http), ` +
        'proxy_timeout (stream), or tcp_retries2 (--format sysctl).',
    ),
    "# Towards upstreams nginx only turns keepalive on. The times are the system's,",
    '# 2 h where nobody has set them (--format sysctl).',
    `proxy_socket_keepalive ${enable === false ? 'off' : 'on'};`,
    commented(
      'Probes do not count for proxy_read_timeout (http) and proxy_timeout (stream): nginx ends a connection without ' +
        'payload after those.',
    ),
  ];
};

/** @see https://docs.kernel.org/networking/ip-sysctl.html */
const sysctl = (subject: Subject): Lines => [
  '# /etc/sysctl.d/60-tcp-keepalive.conf: for sockets that turn SO_KEEPALIVE on',
  '# and set no times.',
  ...keepaliveSysctls(subject).map(([name, value]) => `${name} = ${value}`),
  retriesComment(subject),
  `# net.ipv4.tcp_retries2 = ${retriesWithin(subject.detectWithin)}`,
];

/** @see https://docs.docker.com/reference/compose-file/services/#sysctls */
const docker = (subject: Subject): Lines => [
  '# compose.yaml: for sockets that turn SO_KEEPALIVE on and set no times.',
  'services:',
  '  app:',
  '    sysctls:',
  ...keepaliveSysctls(subject).map(([name, value]) => `      ${name}: ${value}`),
  indented(6, retriesComment(subject)),
  `      # net.ipv4.tcp_retries2: ${retriesWithin(subject.detectWithin)}`,
];

/** @see https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/ */
const kubernetes = (subject: Subject): Lines => [
  '# In a Pod, or under spec.template of a Deployment: for sockets that turn',
  '# SO_KEEPALIVE on and set no times. Safe sysctls since Kubernetes 1.29; before,',
  '# the kubelet must allow them (--allowed-unsafe-sysctls).',
  'spec:',
  '  securityContext:',
  '    sysctls:',
  ...keepaliveSysctls(subject).map(([name, value]) => `      - name: ${name}\n        value: "${value}"`),
  indented(6, retriesComment(subject)),
  '      # It is not a safe sysctl: the kubelet must allow it.',
  '      # - name: net.ipv4.tcp_retries2',
  `      #   value: "${retriesWithin(subject.detectWithin)}"`,
];

/** Every format, by its name for `--format`. */
export const configurations: Readonly<Record<string, Configuration>> = Object.freeze({
  ts: written(ts),
  env: written(env),
  libpq: written(libpq),
  pgbouncer: written(pgbouncer),
  haproxy: written(haproxy),
  nginx: written(nginx),
  sysctl: written(sysctl),
  docker: written(docker),
  kubernetes: written(kubernetes),
});

function written(linesOf: (subject: Subject) => Lines): Configuration {
  return (input, detectWithin) => {
    const settings = parseKeepAliveOptions(input);
    const lines = linesOf({ input, settings, detectWithin: detectWithin ?? deadlineOf(settings) });
    return `${lines.filter((line) => line !== undefined).join('\n')}\n`;
  };
}

/** The time within which options notice a vanished peer, of an idle connection if they do, else of one with data. */
function deadlineOf(settings: KeepAliveSettings): number {
  const { idle, unacknowledged } = predictDetection(settings);
  return idle.latest === Infinity ? unacknowledged.latest : idle.latest;
}

function setting(name: string, value: number | undefined, separator = '='): string | undefined {
  return value === undefined ? undefined : `${name}${separator}${value}`;
}

function flag(enable: boolean | undefined): number | undefined {
  return enable === undefined ? undefined : Number(enable);
}

function keepaliveSysctls({ settings }: Subject): [name: string, value: number][] {
  const { initialDelay, interval, count } = settings;
  const all: [string, number | undefined][] = [
    ['net.ipv4.tcp_keepalive_time', seconds(initialDelay)],
    ['net.ipv4.tcp_keepalive_intvl', seconds(interval)],
    ['net.ipv4.tcp_keepalive_probes', count],
  ];
  return all.filter((each): each is [string, number] => each[1] !== undefined);
}

function retriesComment({ settings: { userTimeout }, detectWithin }: Subject): string {
  const { latest } = predictDetection({}, { tcpRetries2: retriesWithin(detectWithin) }).unacknowledged;
  return commented(
    `There is no sysctl for a user timeout${ofUserTimeout(userTimeout)}. The nearest bounds data in flight, on all ` +
      `connections, at ${Math.ceil(latest / 1_000)} s. RFC 1122 asks for 100 s at least, which is 8.`,
  );
}

function ofUserTimeout(userTimeout: number | undefined): string {
  return userTimeout ? ` (${userTimeout} ms)` : '';
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

function seconds(ms: number): number;
function seconds(ms: number | undefined): number | undefined;
function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000;
}

/** A number as the code of this project writes it: `26_500`. */
function apart(value: number | boolean): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '_');
}
