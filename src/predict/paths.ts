import { invalidOption } from '../options/errors.ts';
import {
  aBoolean,
  anything,
  type Field,
  isObject,
  readFields,
  refusal,
  secondsHint,
} from '../options/fields.ts';
import { didYouMean, quoted } from '../options/show.ts';
import { parseTime } from '../options/words.ts';

/** How long a path between two ends remembers a connection on which nothing is sent. */
export interface PathIdleLimit {
  /** Silence after which the path forgets the connection, in milliseconds. */
  readonly limit: number;
  /** Whether TCP probes end the silence: `false` if only bytes of payload do. */
  readonly probesCount: boolean;
  /** A description, for messages. */
  readonly title: string;
  /** The source of the number. */
  readonly source: string;
}

/** The names of {@link pathIdleLimits}. */
export type PathName =
  | 'aws-nlb'
  | 'aws-nat-gateway'
  | 'aws-security-group'
  | 'azure-lb'
  | 'gcp-vpc'
  | 'gcp-cloud-nat'
  | 'ipvs'
  | 'conntrack'
  | 'rfc5382-nat'
  | 'aws-alb'
  | 'aws-clb'
  | 'heroku'
  | 'cloudflare'
  | 'nginx'
  | 'haproxy'
  | 'envoy'
  | 'istio'
  | 'rds-proxy'
  | 'azure-sql-gateway';

/**
 * A path: the name of a known one, or after how many milliseconds of silence it forgets a connection. If TCP probes do
 * not end that silence, as behind a proxy, `{ limit, probesCount: false }`.
 */
export type PathInput = PathName | number | Pick<PathIdleLimit, 'limit' | 'probesCount'>;

/**
 * The default idle limits of load balancers, NAT and firewalls. Most can be configured: if yours was, pass
 * its number of milliseconds instead of a name.
 */
export const pathIdleLimits: { readonly [name in PathName]: PathIdleLimit } = Object.freeze({
  'aws-nlb': path(
    350_000,
    'AWS Network Load Balancer',
    'https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html',
  ),
  'aws-nat-gateway': path(
    350_000,
    'AWS NAT gateway',
    'https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html',
  ),
  /** Instances on Nitro v6; earlier ones keep connections for five days. */
  'aws-security-group': path(
    350_000,
    'AWS security group on Nitro v6',
    'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingConfiguration.html',
  ),
  'azure-lb': path(
    240_000,
    'Azure Load Balancer',
    'https://learn.microsoft.com/en-us/azure/load-balancer/load-balancer-tcp-reset',
  ),
  'gcp-vpc': path(
    600_000,
    'Google Cloud VPC firewall',
    'https://cloud.google.com/compute/docs/troubleshooting',
  ),
  'gcp-cloud-nat': path(
    1_200_000,
    'Google Cloud NAT',
    'https://pub.dev/documentation/googleapis/latest/compute_v1/RouterNat/tcpEstablishedIdleTimeoutSec.html',
  ),
  ipvs: path(
    900_000,
    'IPVS (Docker Swarm, kube-proxy)',
    'https://github.com/torvalds/linux/blob/master/net/netfilter/ipvs/ip_vs_proto_tcp.c',
  ),
  conntrack: path(
    432_000_000,
    'Linux netfilter connection tracking',
    'https://docs.kernel.org/networking/nf_conntrack-sysctl.html',
  ),
  /** The minimum that the standard requires of NAT; home routers forget far sooner. */
  'rfc5382-nat': path(7_440_000, 'NAT after RFC 5382', 'https://www.rfc-editor.org/rfc/rfc5382#section-5'),
  'aws-alb': payloadPath(
    60_000,
    'AWS Application Load Balancer',
    'https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html#connection-idle-timeout',
  ),
  'aws-clb': payloadPath(
    60_000,
    'AWS Classic Load Balancer',
    'https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/config-idle-timeout.html',
  ),
  heroku: payloadPath(55_000, 'Heroku router', 'https://devcenter.heroku.com/articles/request-timeout'),
  cloudflare: payloadPath(
    100_000,
    'Cloudflare proxy',
    'https://developers.cloudflare.com/fundamentals/reference/connection-limits/',
  ),
  /** With the default of `proxy_read_timeout`. */
  nginx: payloadPath(
    60_000,
    'nginx proxy',
    'https://github.com/nginx/nginx/blob/master/src/http/modules/ngx_http_proxy_module.c',
  ),
  /** HAProxy itself has no default: 50 s is in most examples. */
  haproxy: payloadPath(
    50_000,
    'HAProxy with `timeout client` and `timeout server` of 50 s',
    'https://docs.haproxy.org/dev/configuration.html#4.2-timeout%20client',
  ),
  envoy: payloadPath(
    3_600_000,
    'Envoy',
    'https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts',
  ),
  istio: payloadPath(
    3_600_000,
    'Envoy in Istio',
    'https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts',
  ),
  /** The client must send a request; the connection to the database is the proxy's own. */
  'rds-proxy': payloadPath(
    1_800_000,
    'AWS RDS Proxy',
    'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-connections.html',
  ),
  /** Under the connection policy Proxy; under Redirect, connections go past the gateway. */
  'azure-sql-gateway': payloadPath(
    1_800_000,
    'Azure SQL gateway',
    'https://techcommunity.microsoft.com/blog/azuredbsupport/azure-sql-database-idle-sessions-are-killed-after-about-30-minutes-when-proxy-co/3268601',
  ),
});

function path(limit: number, title: string, source: string): PathIdleLimit {
  return Object.freeze({ limit, probesCount: true, title, source });
}

function payloadPath(limit: number, title: string, source: string): PathIdleLimit {
  return Object.freeze({ limit, probesCount: false, title, source });
}

const pathFields = { limit: anything, probesCount: aBoolean };

/** A path: a known one by its name, or any other by its limit in milliseconds. */
export const aPath: Field<Omit<PathIdleLimit, 'source'>> = (path, name) => {
  if (typeof path === 'string' && Object.hasOwn(pathIdleLimits, path))
    return pathIdleLimits[path as PathName];
  if (typeof path === 'number' && path >= 1_000 && path < Infinity) {
    return { limit: path, probesCount: true, title: 'the path' };
  }
  if (isObject(path) && !Array.isArray(path)) {
    const { limit, probesCount } = readFields('a path { limit, probesCount }', path, pathFields);
    return { ...aPath(limit, `${name}.limit`), probesCount };
  }
  const names = Object.keys(pathIdleLimits);
  throw refusal(`\`${name}\` to be at least 1000 milliseconds or one of ${names.join(', ')}`, path, {
    hint: typeof path === 'string' ? didYouMean(path, names) : secondsHint(path),
    outOfRange: typeof path === 'number' || typeof path === 'string',
  });
};

/** Before the limit of a path that counts payload only. */
const PAYLOAD = 'payload:';

/**
 * Reads the name of a path, or the time after which it forgets a connection: with `payload:` before it, one on
 * which TCP probes do not count.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parsePath(name: string, text: string): PathInput {
  if (Object.hasOwn(pathIdleLimits, text)) return text as PathName;
  if (/^\d/.test(text)) return parseTime(name, text);
  if (text.startsWith(PAYLOAD)) {
    return { limit: parseTime(name, text.slice(PAYLOAD.length)), probesCount: false };
  }
  const names = Object.keys(pathIdleLimits);
  throw invalidOption(
    `Expected \`${name}\` to be a time, payload: and a time, or one of ${names.join(', ')}, got ${quoted(text)}${didYouMean(text, names)}`,
    RangeError,
  );
}
