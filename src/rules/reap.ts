import { invalidOption } from '../options/errors.ts';
import { type Field, isObject, readFields, refusal } from '../options/fields.ts';
import { quoted } from '../options/show.ts';
import { parseTime } from '../options/words.ts';
import { silentAfterField } from '../sockets/overdue.ts';

// How rules ask for a reaper. This file imports nothing of Node, so that a browser can check them.

/** The part of a reaper's options that rules have. */
export interface RuleReaper {
  /** How long a peer may be silent if its connection has no user timeout, in milliseconds. */
  readonly silentAfter: number | undefined;
}

/** The field `reap` beside rules: true, or an object with `silentAfter`. */
export const reapField: Field<RuleReaper | undefined> = (value, name) => {
  if (value === undefined || value === false) return undefined;
  if (value === true) return { silentAfter: undefined };
  const expected = `\`${name}\` to be true, or an object such as { silentAfter: 25000 }`;
  if (!isObject(value)) throw refusal(expected, value);
  return readFields(expected, value, { silentAfter: silentAfterField });
};

/** Whether a piece of text between rules asks for a reaper: `reap`, `reap=24.5s`. */
export function isReap(text: string): boolean {
  return /^reap\s*(?:=|$)/.test(text);
}

/**
 * Reads such a piece.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function parseReap(text: string): RuleReaper {
  const [, time = ''] = /=\s*(.*)$/s.exec(text) ?? [];
  if (!text.includes('=')) return { silentAfter: undefined };
  if (time === '') {
    throw invalidOption(
      `Expected \`reap\` or reap=<time>, such as reap=25s, got ${quoted(text)}`,
      RangeError,
    );
  }
  return { silentAfter: silentAfterField(parseTime('reap', time), 'reap') };
}
