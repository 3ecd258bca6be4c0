import { invalidOption } from './errors.ts';
import { readable, refusal } from './fields.ts';
import type { KeepAliveOptions } from './options.ts';
import { parseKeepAliveOptions } from './parse.ts';

/** The times that a connection string of libpq sets. */
export interface LibpqTimes {
  /** The timers, for `keepAlivePg` and every other call of this library. */
  readonly options: KeepAliveOptions;
  /** `connect_timeout` in milliseconds, for pg's `connectionTimeoutMillis`; `undefined` if it has no limit. */
  readonly connectTimeout: number | undefined;
}

/** libpq's parameters, which its documentation has as integers: seconds, but for the last, which is milliseconds. */
const names = {
  keepalives: { min: 0, max: 1 },
  keepalives_idle: { min: 0, max: 32_767 },
  keepalives_interval: { min: 0, max: 32_767 },
  keepalives_count: { min: 0, max: 127 },
  connect_timeout: { min: 0, max: 2_147_483 },
  tcp_user_timeout: { min: 0, max: 2_147_483_647 },
} as const;

type Name = keyof typeof names;

/** libpq waits for at least this long, because its clock counts whole seconds. */
const LEAST_CONNECT_TIMEOUT = 2;

const EXPECTED =
  "a connection string of libpq, a URL, or an object such as { keepalives_idle: 10, tcp_user_timeout: '24500' }";

/**
 * Reads the timers of a connection string that was written for libpq. pg ignores them all in `DATABASE_URL`.
 *
 * As in libpq, keepalive is on unless `keepalives=0`, and 0 of any other stands for the system's default, which is then
 * left out. `keepalives_idle` (`TCP_KEEPIDLE`), `keepalives_interval` (`TCP_KEEPINTVL`) and `connect_timeout` are seconds,
 * `keepalives_count` (`TCP_KEEPCNT`) is a number, `tcp_user_timeout` (`TCP_USER_TIMEOUT`) milliseconds. Other parameters
 * are left alone.
 *
 * @param source - a URL as text or as an object, `key=value` pairs, or an object with these keys
 * @returns the timers, and the time for connecting
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, which names the parameter
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 *
 * @example
 * ```ts
 * const { options, connectTimeout } = optionsFromLibpq(process.env.DATABASE_URL ?? '');
 * const config = { connectionString: process.env.DATABASE_URL, connectionTimeoutMillis: connectTimeout };
 * const pool = keepAlivePg(new pg.Pool(config), options);
 * ```
 */
export function optionsFromLibpq(source: string | URL | Readonly<Record<string, unknown>>): LibpqTimes {
  return readable(EXPECTED, () => {
    const read = readerOf(source);
    const number = (name: Name) => integer(name, read(name));
    const seconds = (name: Name) => inMilliseconds(number(name));
    const options: KeepAliveOptions = {
      enable: number('keepalives') !== 0,
      initialDelay: seconds('keepalives_idle'),
      interval: seconds('keepalives_interval'),
      count: number('keepalives_count') || undefined,
      userTimeout: number('tcp_user_timeout') || undefined,
    };
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    // Its limits are those of this library, such as 1 s for a user timeout.
    parseKeepAliveOptions(given);
    const timeout = number('connect_timeout') || undefined;
    return {
      options: given,
      connectTimeout: timeout && Math.max(LEAST_CONNECT_TIMEOUT, timeout) * 1_000,
    };
  });
}

function readerOf(source: unknown): (name: Name) => unknown {
  if (typeof source === 'string') return URL.canParse(source) ? ofUrl(new URL(source)) : ofPairs(source);
  if (source instanceof URL) return ofUrl(source);
  if (typeof source !== 'object' || source === null || Array.isArray(source)) throw refusal(EXPECTED, source);
  return (name) => Reflect.get(source, name);
}

/** Of a parameter that is given several times, libpq uses the last. */
function ofUrl({ searchParams }: URL): (name: Name) => unknown {
  return (name) => searchParams.getAll(name).at(-1);
}

/** `host=db keepalives_idle=10`; a value with spaces is in single quotes. */
function ofPairs(text: string): (name: Name) => unknown {
  const pair = /(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']\S*|)/gs;
  const rest = text.replace(pair, '').trim();
  if (rest !== '') throw invalidOption(`Expected ${EXPECTED}, got text that is neither`, TypeError);
  const pairs = [...text.matchAll(pair)].map(([, name = '', value = '']) => [
    name,
    value.replace(/^'(.*)'$/s, '$1'),
  ]);
  const values = new Map(pairs as [string, string][]);
  return (name) => values.get(name);
}

function integer(name: Name, value: unknown): number | undefined {
  // The empty text is what a parameter has that was not set.
  if (value === undefined || value === null || value === '') return undefined;
  const { min, max } = names[name];
  const number = typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number;
  throw refusal(`\`${name}\` to be an integer from ${min} to ${max}`, value, {
    outOfRange: typeof number === 'number',
  });
}

function inMilliseconds(seconds: number | undefined): number | undefined {
  return seconds ? seconds * 1_000 : undefined;
}
