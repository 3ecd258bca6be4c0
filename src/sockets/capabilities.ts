import { existsSync } from 'node:fs';
import { expectAll, forgetOption, reasonOfLack, table } from '../kernel/calls.ts';
import { readTcpInfoHere } from '../kernel/connection-info.ts';
import { keepAliveError } from '../options/errors.ts';
import { type KeepAliveSettings, type OptionName, optionNames } from '../options/options.ts';
import { obstacleToKernel } from './connection.ts';
import { isLeftToNode, isWithinNodesReach } from './node-way.ts';

/** Whether one option can be set and read here. */
export interface OptionCapability {
  /** Whether it can be set. */
  readonly set: boolean;
  /** Whether it can be read back. */
  readonly read: boolean;
  /** This system's name for it, if it has one. */
  readonly constant?: string;
  /** Why it cannot be set or read; absent if it can. */
  readonly reason?: string;
}

/** The options and calls that work in this runtime and on this platform. */
export interface Capabilities {
  /** `process.platform`. */
  readonly platform: string;
  /** The call that sets options: `setsockopt` itself, or Node's `socket.setKeepAlive`. */
  readonly through: 'setsockopt' | 'node';
  /** Why it is not `setsockopt`; absent if it is. */
  readonly reason?: string;
  /** The capability of each option. */
  readonly options: Readonly<Record<OptionName, OptionCapability>>;
  /** Whether {@link getTcpInfo} works. */
  readonly tcpInfo: boolean;
}

/** Returns which options can be set and read here, and why others cannot. This loads koffi. */
export function capabilities(): Capabilities {
  const obstacle = obstacleToKernel();
  if (isBeforeLinux615()) forgetOption('maxRetransmitInterval');
  const options = optionNames.map((name) => [name, capabilityOf(name, obstacle)] as const);
  return Object.freeze({
    platform: process.platform,
    through: obstacle === undefined ? 'setsockopt' : 'node',
    ...(obstacle !== undefined && { reason: obstacle }),
    options: Object.freeze(Object.fromEntries(options) as Record<OptionName, OptionCapability>),
    tcpInfo: readTcpInfoHere !== undefined && obstacle === undefined,
  });
}

/**
 * Refuses settings if one of them cannot be set here.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`
 */
export function expectSettable(settings: KeepAliveSettings): void {
  const { reason, options } = capabilities();
  if (reason !== undefined) {
    throw keepAliveError('ERR_KEEPALIVE_UNSUPPORTED', `Cannot set every option, as strict asks: ${reason}`);
  }
  // An option that only Node's own call sets cannot be read back, and may be refused unseen.
  expectAll(optionNames.filter((name) => settings[name] !== undefined && !options[name].read));
}

function capabilityOf(name: OptionName, obstacle: string | undefined): OptionCapability {
  const constant = table[name]?.constant;
  const told = constant === undefined ? {} : { constant };
  if (obstacle !== undefined) {
    const set = isWithinNodesReach(name);
    const reason = set ? `cannot be read: ${obstacle}` : obstacle;
    return Object.freeze({ set, read: false, ...told, reason });
  }
  const reason = reasonOfLack(name);
  if (reason !== undefined) return Object.freeze({ set: isLeftToNode(name), read: false, reason });
  return Object.freeze({ set: true, read: true, ...told });
}

/**
 * Whether this kernel lacks `TCP_RTO_MAX_MS`: it came together with a sysctl for its default. A sandbox may hide all
 * sysctls, and then a call will show it.
 */
function isBeforeLinux615(): boolean {
  const hasSysctl = (name: string) => existsSync(`/proc/sys/net/ipv4/${name}`);
  return (
    table.maxRetransmitInterval !== undefined && !hasSysctl('tcp_rto_max_ms') && hasSysctl('tcp_retries2')
  );
}
