import { IPPROTO_IPV6, IPPROTO_TCP, type OptionEntry } from '../../native-bindings/platforms/table.ts';
import { fromKernel, getOption, setOption, toKernel } from '../../native-bindings/sockopt.ts';
import { isSystemCallError, type SystemCallError } from '../../native-bindings/system-error.ts';
import { keepAliveError } from '../options/errors.ts';
import { isReadBack, type KeepAliveSettings, type OptionName, optionNames } from '../options/options.ts';
import {
  type AppliedKeepAlive,
  expectAll,
  forgetOption,
  planWrites,
  table,
  type Write,
  withSkipped,
} from './calls.ts';

// Every TCP implementation has this option, so reading it proves that a descriptor is TCP.
const TCP_NODELAY: OptionEntry = { level: IPPROTO_TCP, name: 1, unit: 'none', constant: 'TCP_NODELAY' };

// The errors for a TCP option on a Unix socket, on a file or pipe, and on another protocol. On Linux the
// first two names have the same number.
const REFUSALS: readonly string[] = ['EOPNOTSUPP', 'ENOTSUP', 'ENOTSOCK', 'ENOPROTOOPT'];

const NONE: readonly OptionName[] = [];

type Settings = { -readonly [name in OptionName]?: KeepAliveSettings[name] };

/**
 * Writes settings to a descriptor, with one `setsockopt` for each.
 *
 * @param strict - whether to throw if this platform lacks an option, instead of naming it in `skipped`
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`, `ERR_KEEPALIVE_NOT_TCP`, or the system call's error; each has
 *   `applied`, the options that were set before it.
 */
export function writeSettings(fd: number, settings: KeepAliveSettings, strict: boolean): AppliedKeepAlive {
  const { writes, applied } = planWrites(settings);
  if (strict) expectAll(applied.skipped);
  if (writes.length === 0) proveTcp(fd, writes);
  let lackedHere = NONE;
  for (let i = 0; i < writes.length; i++) {
    const { option, entry, kernelValue } = writes[i] as Write;
    if (i === 0 && entry.level !== IPPROTO_TCP) proveTcp(fd, writes);
    try {
      set(fd, entry, kernelValue);
    } catch (error) {
      if (isWrittenAlready(error, fd, entry, kernelValue)) continue;
      const written = writes.slice(0, i).filter((write) => !lackedHere.includes(write.option));
      if (!mayBeLacking(error, option)) throw meaningOf(error, written, writes.slice(i));
      // Another protocol, such as UDP, lacks it too, and these options are the first that are written.
      proveTcp(fd, writes);
      if (learnOfLack(fd, option)) return writeSettings(fd, settings, strict);
      if (strict) expectAll([option], error);
      lackedHere = [...lackedHere, option];
    }
  }
  return lackedHere === NONE ? applied : withSkipped(applied, [...(applied.skipped ?? []), ...lackedHere]);
}

function set(fd: number, entry: OptionEntry, kernelValue: number): void {
  if (entry.level === IPPROTO_IPV6) unlessIpv4(() => setOption(fd, entry, kernelValue));
  else setOption(fd, entry, kernelValue);
}

/** The result of a call that only a socket of IPv6 accepts; `undefined` if another one has refused it. */
export function unlessIpv4<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return undefined;
  }
}

/** @throws `ERR_KEEPALIVE_NOT_TCP`, or the system call's error */
function proveTcp(fd: number, left: readonly Write[]): void {
  try {
    getOption(fd, TCP_NODELAY);
  } catch (error) {
    throw meaningOf(error, [], left);
  }
}

/**
 * Linux accepts a `net.ipv4.tcp_keepalive_time` of a day, and each connection then has it, but Linux refuses
 * it as an option, even on a connection from which it was read.
 */
function isWrittenAlready(error: unknown, fd: number, entry: OptionEntry, kernelValue: number): boolean {
  if (!isSystemCallError(error) || error.code !== 'EINVAL') return false;
  try {
    return getOption(fd, entry) === kernelValue;
  } catch {
    return false;
  }
}

/**
 * Writes those settings that differ from the kernel's, because Linux sends one more probe at once if the
 * same `TCP_KEEPIDLE` is written while probes are unanswered. An option that the connection lacks is skipped.
 *
 * @param current - what the kernel has, if it has just been read
 * @returns whether any differed, and the options that were skipped
 * @throws `ERR_KEEPALIVE_UNSUPPORTED` if koffi cannot be loaded, `ERR_KEEPALIVE_NOT_TCP`, or the
 *   system call's error.
 */
export function correctSettings(
  fd: number,
  settings: KeepAliveSettings,
  current: KeepAliveSettings = readSettings(fd, settings),
): { readonly isChanged: boolean; readonly lacking: readonly OptionName[] } {
  const differing = planWrites(settings).writes.filter(({ option, entry, kernelValue }) => {
    const value = current[option];
    return value !== undefined && !isReadBack(option, kernelValue, toKernel(entry, Number(value)));
  });
  for (const [i, { entry, kernelValue }] of differing.entries()) {
    try {
      set(fd, entry, kernelValue);
    } catch (error) {
      throw meaningOf(error, differing.slice(0, i), differing.slice(i));
    }
  }
  const lacking = optionNames.filter(
    (option) => settings[option] !== undefined && current[option] === undefined,
  );
  return { isChanged: differing.length > 0, lacking };
}

/** The interval that Node's own `setKeepAlive` sets, in milliseconds. */
const INTERVAL_OF_NODE = 1_000;

/**
 * Whether a connection may have been changed since these settings were written to it. Whatever goes past a hold ends in
 * Node's own call, which also sets the interval, or turns probes off: so two options are read and not all.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED` if koffi cannot be loaded, or the system call's error
 */
export function mayBeChanged(fd: number, settings: KeepAliveSettings): boolean {
  const { enable, interval } = settings;
  // Of an option that was not asked for, each value is another one.
  if (interval === INTERVAL_OF_NODE) return true;
  try {
    return read(fd, table.interval) !== interval || (read(fd, table.enable) !== 0) !== enable;
  } catch (error) {
    throw meaningOf(error);
  }
}

/**
 * Reads back every option that this platform, and this connection, has.
 *
 * @param asked - leaves out what only Linux has and these settings do not ask for
 * @throws `ERR_KEEPALIVE_UNSUPPORTED` if koffi cannot be loaded, `ERR_KEEPALIVE_NOT_TCP`, or the
 *   system call's error.
 */
export function readSettings(fd: number, asked?: KeepAliveSettings): KeepAliveSettings {
  const isAsked = (option: OptionName) => asked === undefined || asked[option] !== undefined;
  try {
    const settings = readFive(fd);
    const longest = isAsked('maxRetransmitInterval')
      ? readUnlessLacking(fd, 'maxRetransmitInterval')
      : undefined;
    if (longest !== undefined) settings.maxRetransmitInterval = longest;
    const fails = isAsked('failOnUnreachable') ? readFailOnUnreachable(fd) : undefined;
    if (fails !== undefined) settings.failOnUnreachable = fails;
    return Object.freeze(settings);
  } catch (error) {
    throw meaningOf(error);
  }
}

/** The options that every connection of this platform has, and `userTimeout` if this one has it. */
function readFive(fd: number): Settings {
  // The first TCP option proves that the descriptor is TCP; on OpenBSD this is the only one.
  if (table.initialDelay === undefined) getOption(fd, TCP_NODELAY);
  const initialDelay = readUnlessLacking(fd, 'initialDelay');
  const interval = readUnlessLacking(fd, 'interval');
  const count = readUnlessLacking(fd, 'count');
  const userTimeout = readUnlessLacking(fd, 'userTimeout');
  const enable = read(fd, table.enable);

  const settings: Settings = {};
  // macOS and the BSDs return the number of the flag, not 1.
  if (enable !== undefined) settings.enable = enable !== 0;
  if (initialDelay !== undefined) settings.initialDelay = initialDelay;
  if (interval !== undefined) settings.interval = interval;
  if (count !== undefined) settings.count = count;
  if (userTimeout !== undefined) settings.userTimeout = userTimeout;
  return settings;
}

/** On a socket of IPv6 it is set if it is for the packets of both families. */
function readFailOnUnreachable(fd: number): boolean | undefined {
  const value = readUnlessLacking(fd, 'failOnUnreachable');
  if (!value) return value === undefined ? undefined : false;
  for (const entry of table.failOnUnreachable?.also ?? []) {
    if (unlessIpv4(() => getOption(fd, entry)) === 0) return false;
  }
  return true;
}

function read(fd: number, entry: OptionEntry | undefined): number | undefined {
  return entry === undefined ? undefined : fromKernel(entry, getOption(fd, entry));
}

function readUnlessLacking(fd: number, option: OptionName): number | undefined {
  try {
    return read(fd, table[option]);
  } catch (error) {
    // Linux returns EOPNOTSUPP for the user timeout of Multipath TCP. The calls before have proved that this is TCP.
    if (!(option === 'userTimeout' && isRefusal(error)) && !mayBeLacking(error, option)) throw error;
    getOption(fd, TCP_NODELAY);
    return learnOfLack(fd, option) ? readUnlessLacking(fd, option) : undefined;
  }
}

/**
 * Whether TCP may lack an option here: the user timeout on a Multipath TCP socket and on FreeBSD before 14, all but
 * `enable` on Windows before 10, the retransmission interval on Linux before 6.15, and the last one on Multipath TCP. The
 * interval only tunes, so no refusal of it is an error.
 */
function mayBeLacking(error: unknown, option: OptionName): boolean {
  const { code } = error as Partial<SystemCallError>;
  if (option === 'maxRetransmitInterval') return code !== 'EBADF';
  if (option === 'failOnUnreachable') return isRefusal(error);
  return option !== 'enable' && code === 'ENOPROTOOPT';
}

// Only here does a connection lack what others have: one of Multipath TCP lacks the user timeout, and the interval too.
const hasMultipath = process.platform === 'linux' || process.platform === 'android';

/**
 * Notes that the kernel lacks the option, unless only this connection does.
 *
 * @returns whether an older option takes its place
 */
function learnOfLack(fd: number, option: OptionName): boolean {
  if (hasMultipath) {
    if (option === 'userTimeout' || readUnlessLacking(fd, 'userTimeout') === undefined) return false;
  }
  return forgetOption(option);
}

/** Whether an error says that a descriptor has no such option, or is no socket. */
function isRefusal(error: unknown): error is SystemCallError {
  return isSystemCallError(error) && REFUSALS.includes(error.code);
}

/** The error to throw for a failed call: not TCP, no koffi, or the system call's own. */
export function meaningOf(
  error: unknown,
  written: readonly Write[] = [],
  left: readonly Write[] = [],
): Error {
  const applied = [...new Set(written.map(({ option }) => option))];
  if (!isSystemCallError(error)) return noLibrary(error);
  if (applied.length === 0 && isRefusal(error)) {
    return keepAliveError(
      'ERR_KEEPALIVE_NOT_TCP',
      `Expected a TCP socket, got another kind, such as a Unix socket (${error.message}); ` +
        'only TCP peers can vanish unnoticed, so leave it as it is',
      { cause: error, applied },
    );
  }
  // A value that it would refuse for itself is never written.
  if (process.platform === 'darwin' && error.code === 'EINVAL') {
    return keepAliveError(
      'ERR_KEEPALIVE_DESTROYED',
      'Expected a connected socket, got one that was shut down both ways, on which macOS sets no options any more',
      { cause: error, applied },
    );
  }
  const notSet = [...new Set(left.map(({ option }) => `\`${option}\``))].join(', ');
  const message = notSet === '' ? error.message : `${error.message}; not set: ${notSet}`;
  return Object.assign(error, { message, applied });
}

function noLibrary(failure: unknown): Error {
  const { message, cause } = failure as Error;
  return keepAliveError('ERR_KEEPALIVE_UNSUPPORTED', message, { cause, applied: [] });
}
