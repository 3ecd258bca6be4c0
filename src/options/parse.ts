import { invalidOption } from './errors.ts';
import {
  aBoolean,
  aNumber,
  type Field,
  optional,
  type Range,
  readable,
  readFields,
  refusal,
  secondsHint,
  within,
} from './fields.ts';
import { hasProbeTimer, type KeepAliveInput, type KeepAliveSettings, optionRanges } from './options.ts';
import { type PresetName, presets } from './presets.ts';
import { didYouMean, listed } from './show.ts';

type Settings = { -readonly [name in keyof KeepAliveSettings]: KeepAliveSettings[name] };

const presetNames = Object.keys(presets);
const EXPECTED = `a preset (${listed(presetNames)}) or an object of options`;

const optionFields = {
  enable: optional(aBoolean),
  initialDelay: optional(roundedUp(optionRanges.initialDelay)),
  interval: optional(roundedUp(optionRanges.interval)),
  // No unit, because its name says what it counts.
  count: optional(within({ ...optionRanges.count, unit: '' })),
  userTimeout: optional(aUserTimeout()),
  maxRetransmitInterval: optional(aRetransmitInterval()),
  failOnUnreachable: optional(aBoolean),
};

// Presets and frozen objects cannot change between two calls, so they are checked once.
const checkedPresets = new Map<string, KeepAliveSettings>();
const checkedObjects = new WeakMap<object, KeepAliveSettings>();

/**
 * Checks options, rounds times up to the kernels' unit, computes `'auto'`, and turns `enable` on if a timer
 * is given. Every public function reads its options through this one.
 *
 * @param input - a preset's name, or options in milliseconds
 * @returns a frozen object, the same one each time for a preset's name or a frozen plain object
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseKeepAliveOptions(input: KeepAliveInput): KeepAliveSettings {
  if (typeof input === 'string') return checkedPresets.get(input) ?? checkPreset(input);
  return checkedObjects.get(input) ?? checkObject(input);
}

/**
 * Accepts settings that were read from a kernel unchecked. It may hold a user timeout under the second
 * that this library requires, and defaults above the limits for programs.
 */
export function trustSettings(settings: Readonly<KeepAliveSettings>): void {
  checkedObjects.set(settings, settings);
}

function checkPreset(name: string): KeepAliveSettings {
  if (!Object.hasOwn(presets, name)) {
    throw refusal(EXPECTED, name, { hint: didYouMean(name, presetNames), outOfRange: true });
  }
  const settings = checkObject(presets[name as PresetName]);
  checkedPresets.set(name, settings);
  return settings;
}

function checkObject(input: object): KeepAliveSettings {
  return readable(EXPECTED, () => {
    const settings = settle(input);
    if (isConstant(input)) checkedObjects.set(input, settings);
    return settings;
  });
}

function settle(input: object): KeepAliveSettings {
  const fields = readFields(EXPECTED, input, optionFields);
  const { initialDelay, interval, count, failOnUnreachable } = fields;
  const enable = fields.enable ?? (hasProbeTimer(fields) || undefined);
  const userTimeout =
    fields.userTimeout === 'auto' ? autoUserTimeout(initialDelay, interval, count) : fields.userTimeout;
  // Without a user timeout this option alone would bound data in flight.
  const auto = userTimeout ? autoRetransmitInterval(userTimeout) : undefined;
  const maxRetransmitInterval = fields.maxRetransmitInterval === 'auto' ? auto : fields.maxRetransmitInterval;

  const settings: Settings = {};
  if (enable !== undefined) settings.enable = enable;
  if (initialDelay !== undefined) settings.initialDelay = initialDelay;
  if (interval !== undefined) settings.interval = interval;
  if (count !== undefined) settings.count = count;
  if (userTimeout !== undefined) settings.userTimeout = userTimeout;
  if (maxRetransmitInterval !== undefined) settings.maxRetransmitInterval = maxRetransmitInterval;
  if (failOnUnreachable !== undefined) settings.failOnUnreachable = failOnUnreachable;
  return Object.freeze(settings);
}

/** A time, rounded up to the unit of kernels. */
function roundedUp(range: Range & { readonly step: number }): Field<number> {
  const field = within(range);
  return (value, name) => Math.ceil(field(value, name) / range.step) * range.step;
}

function aUserTimeout(): Field<number | 'auto'> {
  const { min, max } = optionRanges.userTimeout;
  const milliseconds = aNumber(
    `from ${min} to ${max} milliseconds, 0, or 'auto'`,
    (value) => value === 0 || (value >= min && value <= max),
    secondsHint,
  );
  // `|| 0` turns -0 into 0.
  return (value, name) => (value === 'auto' ? value : Math.ceil(milliseconds(value, name)) || 0);
}

function aRetransmitInterval(): Field<number | 'auto'> {
  const { min, max } = optionRanges.maxRetransmitInterval;
  const milliseconds = aNumber(
    `from ${min} to ${max} milliseconds, or 'auto'`,
    (value) => value >= min && value <= max,
    secondsHint,
  );
  return (value, name) => (value === 'auto' ? value : Math.ceil(milliseconds(value, name)));
}

/**
 * Computes an eighth of the user timeout. A living peer is then tried again in the last eighth, for five packets more:
 * in 24.5 s there are 12 retransmissions instead of 7, and a sixteenth would make 19.
 */
export function autoRetransmitInterval(userTimeout: number): number {
  const { min, max } = optionRanges.maxRetransmitInterval;
  return Math.min(Math.max(min, Math.floor(userTimeout / 8)), max);
}

/**
 * Computes a time just under that after which `count` probes are unanswered. The kernel drops a connection
 * at the first tick at which the user timeout has passed, so it must have passed at the last tick and not,
 * however late the timers run, at the one before.
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
  const userTimeout = initialDelay + interval * count - 500;
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

/** Whether every later read returns the same fields, as of a frozen plain object without getters. */
function isConstant(input: object): boolean {
  if (!Object.isFrozen(input)) return false;
  const prototype: unknown = Object.getPrototypeOf(input);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.values(Object.getOwnPropertyDescriptors(input)).every((property) => 'value' in property);
}
