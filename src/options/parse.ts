import { invalidOption, isPlain, shown } from './errors.ts';
import { didYouMean, listed, secondsHint } from './fields.ts';
import {
  type KeepAliveInput,
  type KeepAliveSettings,
  type OptionName,
  optionNames,
  optionRanges,
} from './options.ts';
import { type PresetName, presets } from './presets.ts';

type NumericOption = keyof typeof optionRanges;
type Fields = Partial<Record<OptionName, unknown>>;
type Settings = { -readonly [name in keyof KeepAliveSettings]: KeepAliveSettings[name] };

// Presets and frozen objects cannot change between two calls, so they are checked once.
const checkedPresets = new Map<string, KeepAliveSettings>();
const checkedObjects = new WeakMap<object, KeepAliveSettings>();

/**
 * The one door for options: checks them, rounds times up to what kernels count in, works `'auto'`
 * out, and turns `enable` on where a timer is given.
 *
 * The result is frozen; a preset's name or a frozen plain object gives the same result every time.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseKeepAliveOptions(input: KeepAliveInput): KeepAliveSettings {
  if (typeof input === 'string') return checkedPresets.get(input) ?? checkPreset(input);
  if (typeof input !== 'object' || input === null) throw notOptions(input);
  return checkedObjects.get(input) ?? checkObject(input);
}

/**
 * Lets settings that were read from a kernel pass unchecked: it may hold a user timeout under the
 * second that this library accepts from people, and defaults above what any program may set.
 */
export function trustSettings(settings: Readonly<KeepAliveSettings>): void {
  checkedObjects.set(settings, settings);
}

function checkPreset(name: string): KeepAliveSettings {
  if (!Object.hasOwn(presets, name)) throw notOptions(name);
  const settings = checkObject(presets[name as PresetName]);
  checkedPresets.set(name, settings);
  return settings;
}

function notOptions(input: unknown): Error {
  const names = Object.keys(presets);
  const hint = typeof input === 'string' ? didYouMean(input, names) : '';
  const type = typeof input === 'string' ? RangeError : TypeError;
  return invalidOption(
    `Expected a preset (${listed(names)}) or an object of options, got ${shown(input)}${hint}`,
    type,
  );
}

function checkObject(input: object): KeepAliveSettings {
  const settings = settle(readFields(input));
  if (isConstant(input)) checkedObjects.set(input, settings);
  return settings;
}

function readFields(input: object): Fields {
  const { isOptions, keys, fields } = read(input);
  const unknown = keys.find((key) => !optionNames.includes(key as OptionName));
  if (unknown !== undefined) throw unknownOption(unknown);
  if (!isOptions) throw notOptions(input);
  return fields;
}

/** Reads each field once, so that a getter cannot give one value to the check and another to the kernel. */
function read(input: object): { isOptions: boolean; keys: string[]; fields: Fields } {
  try {
    const fields = Object.fromEntries(optionNames.map((name) => [name, Reflect.get(input, name)]));
    if (Array.isArray(input)) return { isOptions: false, keys: [], fields };
    const keys = Object.keys(input);
    return { isOptions: keys.length > 0 || mayBeEmpty(input), keys, fields };
  } catch (cause) {
    throw invalidOption(
      'Expected an object of options, got one whose fields cannot be read',
      TypeError,
      cause,
    );
  }
}

/** A plain object, or one that inherits its fields. A promise that nobody awaited, or a map, is neither. */
function mayBeEmpty(input: object): boolean {
  return isPlain(input) || optionNames.some((name) => name in input);
}

function unknownOption(key: string): Error {
  const hint = didYouMean(key, optionNames);
  return invalidOption(`Expected the options ${listed(optionNames)}, got \`${key}\`${hint}`, TypeError);
}

function settle(fields: Fields): KeepAliveSettings {
  const settings: Settings = {};
  const initialDelay = checkNumber('initialDelay', fields.initialDelay);
  const interval = checkNumber('interval', fields.interval);
  const count = checkNumber('count', fields.count);
  const enable = checkEnable(fields.enable) ?? enabledBy(initialDelay, interval, count);
  const userTimeout =
    fields.userTimeout === 'auto'
      ? autoUserTimeout(initialDelay, interval, count)
      : checkNumber('userTimeout', fields.userTimeout);

  if (enable !== undefined) settings.enable = enable;
  if (initialDelay !== undefined) settings.initialDelay = initialDelay;
  if (interval !== undefined) settings.interval = interval;
  if (count !== undefined) settings.count = count;
  if (userTimeout !== undefined) settings.userTimeout = userTimeout;
  return Object.freeze(settings);
}

function checkEnable(value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalidOption(`Expected \`enable\` to be true or false, got ${shown(value)}`, TypeError);
}

function enabledBy(...timers: (number | undefined)[]): true | undefined {
  return timers.some((timer) => timer !== undefined) ? true : undefined;
}

function checkNumber(name: NumericOption, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const { min, max, step } = optionRanges[name];
  if (typeof value !== 'number') throw outOfRange(name, value, TypeError);
  if (name === 'userTimeout' && value === 0) return 0;
  // Written so that NaN is refused too.
  if (!(value >= min && value <= max)) throw outOfRange(name, value, RangeError);
  if (name === 'count' && !Number.isInteger(value)) throw outOfRange(name, value, RangeError);
  return Math.ceil(value / step) * step;
}

function outOfRange(name: NumericOption, value: unknown, type: RangeErrorConstructor | TypeErrorConstructor) {
  const { min, max, unit } = optionRanges[name];
  const expected =
    unit === 'probes'
      ? `an integer from ${min} to ${max}`
      : `from ${min} to ${max} milliseconds${name === 'userTimeout' ? ", 0, or 'auto'" : ''}`;
  return invalidOption(
    `Expected \`${name}\` to be ${expected}, got ${shown(value)}${unit === 'milliseconds' ? secondsHint(value) : ''}`,
    type,
  );
}

/**
 * Just under the time after which `count` probes are unanswered. The kernel drops a connection at
 * the first tick at which the user timeout has passed, so it must have passed at the last tick and
 * not, however late the timers run, at the one before.
 */
function autoUserTimeout(
  initialDelay: number | undefined,
  interval: number | undefined,
  count: number | undefined,
): number {
  if (initialDelay === undefined || interval === undefined || count === undefined) {
    throw invalidOption(
      "Expected `initialDelay`, `interval` and `count` beside `userTimeout: 'auto'`, which is made from them, " +
        `got ${given({ initialDelay, interval, count })}`,
      TypeError,
    );
  }
  const userTimeout = initialDelay + interval * count - Math.min(interval / 2, 500);
  const { max } = optionRanges.userTimeout;
  if (userTimeout > max) {
    throw invalidOption(
      `Expected \`userTimeout: 'auto'\` to come to at most ${max} milliseconds, got ${userTimeout} ` +
        '(initialDelay + interval * count)',
      RangeError,
    );
  }
  return userTimeout;
}

function given(fields: Record<string, unknown>): string {
  const names = Object.keys(fields).filter((name) => fields[name] !== undefined);
  return names.length === 0 ? 'none of them' : `only ${listed(names)}`;
}

/** Whether every later read gives the same fields: a frozen plain object of data properties. */
function isConstant(input: object): boolean {
  try {
    if (!Object.isFrozen(input)) return false;
    const prototype: unknown = Object.getPrototypeOf(input);
    if (prototype !== Object.prototype && prototype !== null) return false;
    return Object.values(Object.getOwnPropertyDescriptors(input)).every((property) => 'value' in property);
  } catch {
    // A proxy's traps may throw; it is then checked again each time.
    return false;
  }
}
