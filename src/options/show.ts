import { closestMatch } from 'leven';

/** A value as an error message shows it: `` `60` (number) ``, `an object of class Agent`. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object') return describe(value);
  return `${quoted(String(value))} (${typeof value})`;
}

/** A value as a message shows it that came instead of an expected object. */
export function shownInstead(value: unknown): string {
  const text = shown(value);
  return text === 'an object' ? 'another object' : text;
}

/** Text as an error message shows it, cut if it is long. */
export function quoted(text: string): string {
  const line = printable(text);
  return `\`${line.length > 40 ? `${line.slice(0, 40)}...` : line}\``;
}

/**
 * Text in one line, without control characters, which a terminal would obey. Keys, paths and system
 * messages may contain any, and a log has one line for each error.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for; looking \p{Cc} up delays every import.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) =>
    character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A host as messages name it, by its name or its address or both: `db.internal (10.0.0.5)`. */
export function hostText(name: string | undefined, address: string | undefined): string | undefined {
  const bracketed = address?.includes(':') ? `[${address}]` : address;
  return name !== undefined && bracketed !== undefined ? `${name} (${bracketed})` : (name ?? bracketed);
}

/** Names as messages list them. */
export function listed(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

/** Returns `; did you mean X?` if a known name is similar, else an empty string. */
export function didYouMean(name: string, known: readonly string[]): string {
  const near =
    known.find((each) => each.toLowerCase() === name.toLowerCase()) ??
    closestMatch(name, known, { maxDistance: Math.max(2, Math.floor(name.length / 3)) });
  return near === undefined ? '' : `; did you mean \`${near}\`?`;
}

/** Breaks text between words, into lines of at most `columns`. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** A number, rounded but for two digits, with its thousands separated: `10 000`, `0.25`. */
export function grouped(value: number): string {
  const rounded = Number(value.toPrecision(Math.max(2, String(Math.trunc(value)).length)));
  const [whole = '', ...fraction] = String(rounded).split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ' '), ...fraction].join('.');
}

/** Whether an object has no class. Another context, such as that of a test, has its own `Object`. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(value: object): string {
  if (Array.isArray(value)) return 'an array';
  const name: unknown = isPlain(value) ? '' : value.constructor.name;
  return typeof name === 'string' && name !== ''
    ? `an object of class ${printable(name.slice(0, 40))}`
    : 'an object';
}
