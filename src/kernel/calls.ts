import { loadLibc } from '../../native-bindings/libc.ts';
import { platformTable } from '../../native-bindings/platforms/index.ts';
import type { OptionEntry, OptionTable } from '../../native-bindings/platforms/table.ts';
import { fromKernel, toKernel } from '../../native-bindings/sockopt.ts';
import { keepAliveError } from '../options/errors.ts';
import {
  isFlag,
  type KeepAliveSettings,
  type OptionName,
  onlyTunes,
  optionNames,
} from '../options/options.ts';

/** The options that were written, as the kernel rounds them, and those that this platform lacks. */
export interface AppliedKeepAlive extends KeepAliveSettings {
  /** Requested options that this platform, or this connection, does not have. */
  readonly skipped?: readonly OptionName[];
  /**
   * `userTimeout`, if the connection was silent for longer than `initialDelay`: it is written once the peer has been
   * heard, or after `interval * count` at the latest. One lost probe would end a living peer otherwise.
   */
  readonly pending?: readonly OptionName[];
}

/** One `setsockopt` call. */
export interface Write {
  readonly option: OptionName;
  readonly entry: OptionEntry;
  readonly kernelValue: number;
}

/** The calls that settings need on this platform, and the result to return after them. */
export interface WritePlan {
  readonly writes: readonly Write[];
  readonly applied: AppliedKeepAlive;
}

const known = platformTable();

/** Whether this system has an option table. If not, only Node's own call can be used. */
export const hasTable: boolean = known !== undefined;

/** The option table of this system, without what its kernel turned out to lack. */
export let table: OptionTable = known ?? {};

// A new initialDelay restarts the kernel's timer at once, so the interval and the count are set before it.
// Those of other protocols are last: a Unix socket accepts SO_KEEPALIVE and a UDP socket both, and must have been refused before.
const writeOrder = [
  'userTimeout',
  'maxRetransmitInterval',
  'interval',
  'count',
  'initialDelay',
  'failOnUnreachable',
  'enable',
] as const;

let plans = new WeakMap<KeepAliveSettings, WritePlan>();

/** Plans the calls that settings need, once for each settings object. */
export function planWrites(settings: KeepAliveSettings): WritePlan {
  let plan = plans.get(settings);
  if (plan === undefined) {
    const writes = writesFor(settings);
    plan = { writes, applied: tell(settings, writes) };
    plans.set(settings, plan);
  }
  return plan;
}

/**
 * Removes an option that this kernel turned out to lack, so that no more calls are spent on it.
 *
 * @returns whether an older one takes its place
 */
export function forgetOption(option: OptionName): boolean {
  const { [option]: lacking, ...others } = table;
  const older = lacking?.older;
  table = older === undefined ? others : { ...others, [option]: older };
  plans = new WeakMap();
  return older !== undefined;
}

/** Whether this kernel turned out to lack an option that its system has otherwise. */
export function isForgotten(option: OptionName): boolean {
  return table[option] === undefined && known?.[option] !== undefined;
}

/** The reason why this system, or its kernel, lacks an option; `undefined` if it has it. */
export function reasonOfLack(option: OptionName): string | undefined {
  if (table[option] !== undefined) return undefined;
  const constant = known?.[option]?.constant;
  return constant === undefined ? `${process.platform} has no such option` : `this kernel has no ${constant}`;
}

/** The reason why no system call can be made here, or `undefined`. This loads koffi. */
export function obstacleToCalls(): string | undefined {
  if (!hasTable) return `no option table for ${process.platform}`;
  try {
    loadLibc();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Builds the result of a call: the fields that were written, and the names of those that were not. */
export function withSkipped(written: KeepAliveSettings, skipped: readonly OptionName[]): AppliedKeepAlive {
  if (skipped.length === 0) return Object.freeze(written);
  const kept = Object.entries(written).filter(([name]) => !skipped.includes(name as OptionName));
  return Object.freeze({ ...Object.fromEntries(kept), skipped: Object.freeze([...skipped]) });
}

function writesFor(settings: KeepAliveSettings): Write[] {
  const writes: Write[] = [];
  for (const option of writeOrder) {
    const entry = table[option];
    const value = settings[option];
    if (entry === undefined || value === undefined) continue;
    for (const each of [entry, ...(entry.also ?? [])]) {
      writes.push({ option, entry: each, kernelValue: toKernel(each, Number(value)) });
    }
  }
  return writes;
}

function tell(settings: KeepAliveSettings, writes: readonly Write[]): AppliedKeepAlive {
  const asked = optionNames.filter((option) => settings[option] !== undefined);
  const rounded = new Map<OptionName, number | boolean>(
    writes.map(({ option, entry, kernelValue }) => [
      option,
      isFlag(option) ? kernelValue !== 0 : fromKernel(entry, kernelValue),
    ]),
  );
  const written = asked.filter((option) => rounded.has(option));
  const skipped = asked.filter((option) => !rounded.has(option));
  return withSkipped(Object.fromEntries(written.map((option) => [option, rounded.get(option)])), skipped);
}

/**
 * Refuses to skip options, for `strict`. Those that only tune may be skipped.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`
 */
export function expectAll(skipped: readonly OptionName[] | undefined, cause?: unknown): void {
  const missing = (skipped ?? []).filter((option) => !onlyTunes(option));
  if (missing.length > 0) throw lacking(missing, cause);
}

/** The error that `strict` throws instead of skipping options. */
export function lacking(options: readonly OptionName[], cause?: unknown): Error {
  return keepAliveError(
    'ERR_KEEPALIVE_UNSUPPORTED',
    `Cannot set ${options.map(named).join(', ')} on ${process.platform}` +
      `${cause === undefined ? '' : ' for this connection'}, and strict asks for every option; leave strict out to set the rest`,
    { cause, applied: [] },
  );
}

function named(option: OptionName): string {
  const constant = table[option]?.constant;
  return constant === undefined ? `\`${option}\`` : `\`${option}\` (${constant})`;
}
