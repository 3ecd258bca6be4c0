import { loadLibc } from '../../native-bindings/libc.ts';
import { hasTable, table } from '../kernel/calls.ts';
import { hasTcpInfo } from '../kernel/tcp-info.ts';
import { type OptionName, optionNames } from '../options/options.ts';
import { nodeTakesIntervalAndCount } from './node-way.ts';

/** What can be done with one option here. */
export interface OptionCapability {
  /** Whether it can be set. */
  readonly set: boolean;
  /** Whether it can be read back. */
  readonly read: boolean;
  /** This system's name for it, where it has one. */
  readonly constant?: string;
  /** Why it cannot be set or read, where that is so. */
  readonly reason?: string;
}

/** What this runtime and platform can do. */
export interface Capabilities {
  readonly platform: string;
  /** Which calls are made: our own `setsockopt`, or Node's `socket.setKeepAlive`. */
  readonly through: 'setsockopt' | 'node';
  /** Why it is not `setsockopt`, where that is so. */
  readonly reason?: string;
  readonly options: Readonly<Record<OptionName, OptionCapability>>;
  /** Whether {@link getTcpInfo} works. */
  readonly tcpInfo: boolean;
}

/**
 * Tells what can be set and read here, option by option, and why not. Loads koffi to find out.
 */
export function capabilities(): Capabilities {
  const obstacle = obstacleToSetsockopt();
  const options = optionNames.map((name) => [name, capabilityOf(name, obstacle)] as const);
  return Object.freeze({
    platform: process.platform,
    through: obstacle === undefined ? 'setsockopt' : 'node',
    ...(obstacle !== undefined && { reason: obstacle }),
    options: Object.freeze(Object.fromEntries(options) as Record<OptionName, OptionCapability>),
    tcpInfo: hasTcpInfo && obstacle === undefined,
  });
}

/** Why this library cannot make its own system calls here; `undefined` where it can. */
function obstacleToSetsockopt(): string | undefined {
  if (!hasTable) return `no option table for ${process.platform}`;
  if (process.platform === 'win32') return 'Node gives no descriptor on Windows';
  if ('Deno' in globalThis) return 'Deno gives no descriptor';
  try {
    loadLibc();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function capabilityOf(name: OptionName, obstacle: string | undefined): OptionCapability {
  const constant = table[name]?.constant;
  const told = constant === undefined ? {} : { constant };
  if (obstacle !== undefined) {
    const set = isWithinNodesReach(name);
    const reason = set ? `cannot be read: ${obstacle}` : obstacle;
    return Object.freeze({ set, read: false, ...told, reason });
  }
  if (constant === undefined) {
    return Object.freeze({ set: false, read: false, reason: `${process.platform} has no such option` });
  }
  return Object.freeze({ set: true, read: true, ...told });
}

function isWithinNodesReach(name: OptionName): boolean {
  if (name === 'enable' || name === 'initialDelay') return true;
  return name !== 'userTimeout' && nodeTakesIntervalAndCount;
}
