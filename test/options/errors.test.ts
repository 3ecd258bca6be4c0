import fs from 'node:fs';
import net from 'node:net';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  codeOf,
  codes,
  inContext,
  invalidOption,
  isDestroyed,
  isKeepAliveError,
  isNotTcp,
  isUnsupported,
  keepAliveError,
} from '../../src/options/errors.ts';

const all = Object.keys({ ...codes.errors, ...codes.warnings });
const project = new URL('../../', import.meta.url);

describe('the table of codes', () => {
  test('has the codes that docs/errors.md explains, and no others', () => {
    const page = fs.readFileSync(new URL('docs/errors.md', project), 'utf8');
    const headings = page.match(/^### ERR_KEEPALIVE_.*$/gm)?.map((heading) => heading.slice(4));
    expect(headings?.sort()).toEqual(all.sort());
  });

  test('has every code that the source uses, and no others', () => {
    const files = fs.readdirSync(new URL('src', project), { recursive: true, encoding: 'utf8' });
    const used = files
      .filter((file) => file.endsWith('.ts') && file !== 'options/errors.ts')
      .flatMap(
        (file) => fs.readFileSync(new URL(`src/${file}`, project), 'utf8').match(/ERR_KEEPALIVE_\w+/g) ?? [],
      );
    used.push(invalidOption('', TypeError).code);
    expect([...new Set(used)].sort()).toEqual(all.sort());
  });

  test('says in a sentence what each means', () => {
    for (const meaning of Object.values({ ...codes.errors, ...codes.warnings }))
      expect(meaning).toMatch(/^\w.+\.$/);
  });
});

describe('an error', () => {
  test.each([TypeError, RangeError, Error])('that is a %o shows its code as those of Node do', (type) => {
    const error = keepAliveError('ERR_KEEPALIVE_DESTROYED', 'Expected a socket, got none', { type });
    const text = `${type.name} [ERR_KEEPALIVE_DESTROYED]: Expected a socket, got none`;
    expect(String(error)).toBe(text);
    expect(error.stack?.split('\n')[0]).toBe(text);
    expect(inspect(error)).toMatch(`${text}\n`);
    expect(error.name).toBe(type.name);
    expect(error).toBeInstanceOf(type);
    expect(shape(error)).toEqual(shape(errorOfNode()));
  });

  test('keeps what was thrown before it, and what was set', () => {
    const cause = new Error('EBADF');
    const error = keepAliveError('ERR_KEEPALIVE_NOT_TCP', '', { cause, applied: ['interval'] });
    expect(error).toMatchObject({ cause, applied: ['interval'] });
    const bare = keepAliveError('ERR_KEEPALIVE_NOT_TCP', '');
    expect(bare).not.toHaveProperty('cause');
    expect(bare).not.toHaveProperty('applied');
  });

  test('tells where the mistake is', () => {
    const cause = new Error('no');
    const located = () =>
      inContext('rule 2', () => {
        throw invalidOption('Expected a port, got `0`', RangeError, cause);
      });
    expect(located).toThrow(RangeError);
    expect(located).toThrow(expect.objectContaining({ message: 'Expected a port, got `0` (rule 2)', cause }));
  });

  test('that is not of this library passes as it is', () => {
    const other = new Error('other');
    expect(() =>
      inContext('rule 2', () => {
        throw other;
      }),
    ).toThrow(other);
  });
});

describe('isKeepAliveError', () => {
  test.each(Object.keys(codes.errors))('knows %s', (code) => {
    expect(isKeepAliveError(keepAliveError(code as keyof typeof codes.errors, ''))).toBe(true);
  });

  const { proxy: revoked, revoke } = Proxy.revocable(new Error(), {});
  revoke();
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['text', 'ERR_KEEPALIVE_DESTROYED'],
    ['an object with a code', { code: 'ERR_KEEPALIVE_DESTROYED' }],
    ['an error without a code', new Error('ERR_KEEPALIVE_DESTROYED')],
    ['a system call’s error', Object.assign(new Error(), { code: 'EBADF' })],
    ['a code of nobody’s', Object.assign(new Error(), { code: 'ERR_KEEPALIVE_FORGED' })],
    ['a code that is no text', Object.assign(new Error(), { code: 5 })],
    ['a code that every object has', Object.assign(new Error(), { code: 'toString' })],
    ['a warning', Object.assign(new Error(), { code: 'ERR_KEEPALIVE_ON_ERROR_THREW' })],
    ['what cannot be looked at', revoked],
  ])('does not take %s for one', (_, value) => {
    expect(isKeepAliveError(value)).toBe(false);
  });
});

test('the code of an error is text, if it has one', () => {
  expect(codeOf(Object.assign(new Error(), { code: 'EBADF' }))).toBe('EBADF');
  for (const other of [new Error(), Object.assign(new Error(), { code: 5 }), { code: 'EBADF' }, undefined]) {
    expect(codeOf(other)).toBeUndefined();
  }
});

test.each([
  { is: isUnsupported, code: 'ERR_KEEPALIVE_UNSUPPORTED' },
  { is: isNotTcp, code: 'ERR_KEEPALIVE_NOT_TCP' },
  { is: isDestroyed, code: 'ERR_KEEPALIVE_DESTROYED' },
] as const)('$is.name knows $code alone', ({ is, code }) => {
  const known = Object.keys(codes.errors) as (keyof typeof codes.errors)[];
  expect(known.filter((each) => is(keepAliveError(each, '')))).toEqual([code]);
  expect(is(undefined)).toBe(false);
});

function errorOfNode(): Error {
  try {
    net.connect({ port: -1 });
  } catch (error) {
    return error as Error;
  }
  return expect.fail('nothing was thrown');
}

/** The properties that an error shows when it is looked through. */
function shape(error: Error): string[] {
  return Object.keys(error);
}
