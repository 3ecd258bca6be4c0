import { invalidOption } from './errors.ts';
import { hasProbeTimer, isFlag, type KeepAliveInput, type KeepAliveOptions } from './options.ts';
import { type PresetName, presets } from './presets.ts';
import { didYouMean, listed, quoted } from './show.ts';

// Options as people type them: `database userTimeout=30s count=4`, on the command line and in rules.

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

const TIME =
  /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;

/**
 * Reads options as they are typed: a preset's name, options such as `userTimeout=30s`, or a preset and options that
 * replace its own. Their names and values are checked later, as options are anywhere.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseWords(words: readonly string[]): KeepAliveInput {
  const [first = '', ...others] = words;
  if (first.includes('=')) return fieldsOf(words);
  if (!Object.hasOwn(presets, first)) throw unknownPreset(first);
  return others.length === 0
    ? (first as PresetName)
    : { ...presets[first as PresetName], ...fieldsOf(others) };
}

function unknownPreset(name: string): Error {
  const names = Object.keys(presets);
  return invalidOption(
    `Expected a preset (${listed(names)}) or <option>=<value>, got ${quoted(name)}${didYouMean(name, names)}`,
    RangeError,
  );
}

function fieldsOf(words: readonly string[]): KeepAliveOptions {
  return Object.fromEntries(words.map(fieldOf));
}

function fieldOf(word: string): [string, unknown] {
  const [, name = '', text = ''] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
  if (name === '') {
    const hint = Object.hasOwn(presets, word) ? '; a preset comes first' : '';
    throw invalidOption(`Expected <option>=<value>, got ${quoted(word)}${hint}`, RangeError);
  }
  if (isFlag(name)) return [name, parseSwitch(name, text)];
  if (name === 'count') return [name, parseWhole(name, text)];
  if (text === 'auto' && (name === 'userTimeout' || name === 'maxRetransmitInterval')) return [name, text];
  return [name, parseTime(name, text)];
}

function parseSwitch(name: string, text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw invalidOption(`Expected \`${name}\` to be true or false, got ${quoted(text)}`, RangeError);
}

/**
 * Reads a time: `30s`, `1m30s`, `500ms`, or a number of milliseconds.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseTime(name: string, text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const parts = TIME.exec(text)?.slice(1);
  if (text === '' || parts === undefined) {
    throw invalidOption(
      `Expected \`${name}\` to be a time such as 30s, 1m30s, 500ms or 1500 (milliseconds), got ${quoted(text)}`,
      RangeError,
    );
  }
  const units = Object.values(UNITS);
  return parts.reduce((sum, part, index) => sum + Number(part ?? 0) * (units[index] ?? 0), 0);
}

/**
 * Reads a whole number.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseWhole(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalidOption(`Expected \`${name}\` to be a whole number, got ${quoted(text)}`, RangeError);
}

/**
 * Reads a share, as a fraction: `5%`, or `0.05`.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parsePercent(name: string, text: string): number {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) / (percent ? 100 : 1);
  throw invalidOption(
    `Expected \`${name}\` to be a share such as 5% or 0.05, got ${quoted(text)}`,
    RangeError,
  );
}

/** Writes a time that can be typed again, exact to the millisecond: `30s`, `9m3.5s`, `2h43m17.5s`. */
export function exactTime(ms: number): string {
  if (ms > 0 && ms < 1_000) return `${ms}ms`;
  if (ms < 120_000) return `${ms / 1_000}s`;
  const { d, h, m } = UNITS;
  const parts = [
    [Math.floor(ms / d), 'd'],
    [Math.floor((ms % d) / h), 'h'],
    [Math.floor((ms % h) / m), 'm'],
    [(ms % m) / 1_000, 's'],
  ] as const;
  return parts.map(([amount, unit]) => (amount === 0 ? '' : `${amount}${unit}`)).join('');
}

/** Writes a time for people, to a tenth of a second: `30s`, `24.5s`, `15m29s`, `2h11m`, `never`. */
export function formatTime(ms: number): string {
  if (ms === Infinity) return 'never';
  if (ms > 0 && ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 120_000) return `${Number((ms / 1_000).toFixed(1))}s`;
  if (ms < 3_600_000) return joined(Math.round(ms / 1_000), 60, 'm', 's');
  if (ms < 86_400_000) return joined(Math.round(ms / 60_000), 60, 'h', 'm');
  return joined(Math.round(ms / 3_600_000), 24, 'd', 'h');
}

function joined(total: number, size: number, large: string, small: string): string {
  const rest = total % size;
  return `${Math.floor(total / size)}${large}${rest === 0 ? '' : `${rest}${small}`}`;
}

/** Writes options as they are typed, the reverse of {@link parseWords}. Timers turn `enable` on by themselves. */
export function wordsOf(input: KeepAliveInput): string[] {
  if (typeof input === 'string') return [input];
  return Object.entries(input)
    .filter(([, value]) => value !== undefined)
    .filter(([name, value]) => name !== 'enable' || value === false || !hasProbeTimer(input))
    .map(
      ([name, value]) =>
        `${name}=${typeof value === 'number' && name !== 'count' ? exactTime(value) : value}`,
    );
}
