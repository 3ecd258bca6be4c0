import {
  type KeepAliveInput,
  type KeepAliveSettings,
  type OptionName,
  optionNames,
} from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { type PresetName, presets } from '../../src/options/presets.ts';
import { parsePercent, parseTime, parseWhole, parseWords, wordsOf } from '../../src/options/words.ts';
import { configurations } from '../../src/predict/configurations.ts';
import { aPath, type PathInput, parsePath } from '../../src/predict/paths.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';
import { type Report, reportOf } from '../../src/predict/report.ts';
import { reviewKeepAlive } from '../../src/predict/review.ts';
import { parseSystem } from '../../src/predict/system.ts';

// What the calculator is asked, as the text of its fields. It knows nothing of a page.

/** The fields beside the options, and their text if nobody has changed it. */
export const surroundings = { path: '', within: '', rto: '', connections: '100', loss: '1%' } as const;

export type Surrounding = keyof typeof surroundings;
export type FieldName = OptionName | Surrounding;

/** The text of every field. An option without text is left to the system. */
export type Fields = Readonly<Record<FieldName, string>>;

export interface State {
  readonly fields: Fields;
  /** The name of a configuration's format. */
  readonly format: string;
}

/** The problems of fields, in the words of the library. */
export type Problems = { readonly [name in FieldName]?: string };

/** What is drawn of valid fields. */
export interface Answer {
  readonly input: KeepAliveInput;
  readonly report: Report;
  readonly path: PathInput | undefined;
  readonly deadline: number | undefined;
  /** A fraction. */
  readonly loss: number;
}

const surroundingNames = Object.keys(surroundings) as Surrounding[];
const FIRST_PRESET: PresetName = 'database';
const FIRST_FORMAT = 'ts';

/** The fields of options; the surroundings stay as they are. */
export function withOptions(fields: Fields, input: KeepAliveInput): Fields {
  const settings = parseKeepAliveOptions(input);
  const words = wordsOf({ ...settings, ...autoOf(settings) });
  const given = Object.fromEntries(words.map((word) => word.split('=')));
  const options = Object.fromEntries(optionNames.map((name) => [name, given[name] ?? '']));
  return { ...fields, ...options, enable: String(settings.enable ?? false) };
}

/** Those options that come to what `'auto'` makes of the others, so that they follow when those are changed. */
function autoOf(settings: KeepAliveSettings): { userTimeout?: 'auto'; maxRetransmitInterval?: 'auto' } {
  const isAuto = (name: 'userTimeout' | 'maxRetransmitInterval') => {
    const automatic = attempt(() => parseKeepAliveOptions({ ...settings, [name]: 'auto' }));
    return automatic?.[name] !== undefined && automatic[name] === settings[name];
  };
  return Object.fromEntries(
    (['userTimeout', 'maxRetransmitInterval'] as const).filter(isAuto).map((name) => [name, 'auto']),
  );
}

function inputOf(fields: Fields): KeepAliveInput {
  const input = parseWords(
    optionNames.filter((name) => fields[name] !== '').map((name) => `${name}=${fields[name]}`),
  );
  return presetOf(parseKeepAliveOptions(input)) ?? input;
}

function presetOf(settings: KeepAliveSettings): PresetName | undefined {
  const names = Object.keys(presets) as PresetName[];
  return names.find((name) => isSame(parseKeepAliveOptions(name), settings));
}

function isSame(one: KeepAliveSettings, other: KeepAliveSettings): boolean {
  return optionNames.every((name) => one[name] === other[name]);
}

/**
 * Answers what the fields ask.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function answerOf(fields: Fields): Answer {
  const input = inputOf(fields);
  const name = typeof input === 'string' ? input : 'options';
  const path = parsed(fields, 'path', parsePath);
  const loss = parsed(fields, 'loss', parsePercent) ?? 0;
  const context = { pathIdleLimit: path, loss, connections: parsed(fields, 'connections', parseWhole) };
  const rto = parsed(fields, 'rto', parseTime);
  const report = reportOf(name, parseKeepAliveOptions(input), context, { rto });
  return { input, report, path, loss, deadline: parsed(fields, 'within', parseTime) };
}

function parsed<T>(
  fields: Fields,
  name: Surrounding,
  parse: (name: string, text: string) => T,
): T | undefined {
  return fields[name] === '' ? undefined : parse(name, fields[name]);
}

/** The fields with the options that notice a vanished peer within the time that they name. */
export function planned(fields: Fields): Fields {
  const plan = planKeepAlive({
    detectWithin: parseTime('within', fields.within),
    pathIdleLimit: parsed(fields, 'path', parsePath),
    rto: parsed(fields, 'rto', parseTime),
  });
  return withOptions(fields, plan);
}

/**
 * The fields after one of them was changed. A time within which a peer must be noticed makes a new plan, and so does a
 * change of what a plan was made for, as long as nobody has changed the plan.
 */
export function changed(fields: Fields, name: FieldName, text: string): Fields {
  const next = { ...fields, [name]: text.trim() };
  const isPlan = name === 'within' || ((name === 'path' || name === 'rto') && isPlanned(fields));
  return (isPlan && next.within !== '' ? attempt(() => planned(next)) : undefined) ?? next;
}

function isPlanned(fields: Fields): boolean {
  if (fields.within === '') return false;
  const plan = attempt(() => planned(fields));
  return plan !== undefined && optionNames.every((name) => plan[name] === fields[name]);
}

/** The problem of each field alone, and of those that need others if there is no other. */
export function problemsOf(fields: Fields): Problems {
  const alone = [...optionNames, ...surroundingNames]
    .map((name) => [name, problemOf(() => check(name, fields))] as const)
    .filter(([, problem]) => problem !== undefined);
  if (alone.length > 0) return Object.fromEntries(alone);
  const together = problemOf(() => answerOf(fields));
  return together === undefined ? {} : { userTimeout: together };
}

function check(name: FieldName, fields: Fields): void {
  const text = fields[name];
  if (text === '') return;
  if (isSurrounding(name)) checks[name](text, fields);
  // What 'auto' comes to depends on the others.
  else if (text !== 'auto') parseKeepAliveOptions(parseWords([`${name}=${text}`]));
}

const checks: { readonly [name in Surrounding]: (text: string, fields: Fields) => unknown } = {
  path: (text) => aPath(parsePath('path', text), 'path'),
  within: (_, fields) => planned(fields),
  rto: (text) => parseSystem({ rto: parseTime('rto', text) }),
  connections: (text) => reviewKeepAlive({}, { connections: parseWhole('connections', text) }),
  loss: (text) => reviewKeepAlive({}, { loss: parsePercent('loss', text) }),
};

function isSurrounding(name: string): name is Surrounding {
  return Object.hasOwn(surroundings, name);
}

/** Writes valid fields and a format as the part of a URL after `#`: `database&path=aws-nlb`. */
export function hashOf({ fields, format }: State): string {
  const around = surroundingNames
    .filter((name) => fields[name] !== surroundings[name])
    .map((name) => `${name}=${fields[name]}`);
  const words = [
    ...wordsOf(inputOf(fields)),
    ...around,
    ...(format === FIRST_FORMAT ? [] : [`format=${format}`]),
  ];
  return words.map((word) => word.replace(/[%&#\s]/g, encodeURIComponent)).join('&');
}

/**
 * Reads the part of a URL after `#`, the reverse of {@link hashOf}. Text that cannot be read is kept in its field, where its
 * problem is shown; what belongs to no field is the problem of all.
 */
export function stateOf(hash: string): State & { readonly problem: string | undefined } {
  const all = hash
    .split('&')
    .filter((word) => word !== '')
    .map(decoded);
  const words = all.filter((word) => !isSurrounding(nameOf(word)) && nameOf(word) !== 'format');
  const texts = Object.fromEntries(all.map((word) => [nameOf(word), word.slice(nameOf(word).length + 1)]));
  const around = Object.fromEntries(
    surroundingNames.map((name) => [name, texts[name] ?? surroundings[name]]),
  );
  const [first = FIRST_PRESET] = words;
  const base = Object.hasOwn(presets, first)
    ? (first as PresetName)
    : first.includes('=')
      ? {}
      : FIRST_PRESET;
  const empty = withOptions(around as Fields, base);
  const options = Object.fromEntries(optionNames.map((name) => [name, texts[name] ?? empty[name]]));
  const settings = attempt(() => parseKeepAliveOptions(parseWords(words)));
  const problem = problemOf(() => words.length > 0 && parseKeepAliveOptions(parseWords(words)));
  const enable = texts.enable ?? String(settings === undefined || settings.enable === true);
  const format = Object.hasOwn(configurations, texts.format ?? '') ? texts.format : undefined;
  return { fields: { ...empty, ...options, enable }, format: format ?? FIRST_FORMAT, problem };
}

function nameOf(word: string): string {
  return word.split('=', 1).join('');
}

function decoded(word: string): string {
  return attempt(() => decodeURIComponent(word)) ?? word;
}

function problemOf(ask: () => unknown): string | undefined {
  try {
    ask();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function attempt<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
