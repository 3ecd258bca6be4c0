import net from 'node:net';
import { getKeepAlive, type KeepAliveInput, keepAlive, presets, setKeepAlive } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { readingHandle, tcpHandle } from '../../src/sockets/handle.ts';
import { type MarkedHandle, WATCHED } from '../../src/sockets/hold-record.ts';
import { isStrict } from '../../src/sockets/set.ts';
import { adopted, missingMultipath, untouched, untouchedConnection } from '../helpers/connection.ts';
import { heard } from '../helpers/heard.ts';
import { kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { asApplied, asRead } from '../helpers/retransmit-interval.ts';
import { socketKinds } from '../helpers/socket-kinds.ts';
import { tlsPair } from '../helpers/tls-pair.ts';

describe.runIf(process.platform === 'linux')('on Linux', () => {
  describe.each(socketKinds)('$kind', ({ open }) => {
    test.each([
      {
        options: { initialDelay: 10_000 },
        before: { initialDelay: 33, enable: 0 },
        kernel: '1:10/42/7 9000',
      },
      { options: { interval: 5_000 }, before: { interval: 33, enable: 0 }, kernel: '1:41/5/7 9000' },
      { options: { count: 3 }, before: { count: 33, enable: 0 }, kernel: '1:41/42/3 9000' },
      { options: { userTimeout: 24_500 }, before: { userTimeout: 33 }, kernel: '0:41/42/7 24500' },
      { options: { userTimeout: 0 }, before: { userTimeout: 33 }, kernel: '0:41/42/7 0' },
      { options: { enable: true }, before: { enable: 0 }, kernel: '1:41/42/7 9000' },
      { options: { enable: false }, before: { enable: 1 }, kernel: '0:41/42/7 9000' },
      {
        options: { enable: true, initialDelay: 10_000, interval: 5_000, count: 3, userTimeout: 24_500 },
        before: { enable: 0 },
        kernel: '1:10/5/3 24500',
      },
    ])('$options reads back and nothing else changes', async ({ options, before, kernel }) => {
      const { socket, carrier, close } = await open();
      onTestFinished(close);
      const start = { enable: 0, initialDelay: 41, interval: 42, count: 7, userTimeout: 9_000, ...before };
      for (const [option, value] of Object.entries(start)) writeRaw(carrier, option as 'count', value);
      expect(getKeepAlive(socket)).not.toMatchObject(options);

      const applied = setKeepAlive(socket, options);

      const turnedOn = 'userTimeout' in options || 'enable' in options ? {} : { enable: true };
      expect(applied).toEqual({ ...turnedOn, ...options });
      expect(getKeepAlive(socket)).toMatchObject(applied);
      expect(kernelValues(carrier)).toBe(kernel);
    });
  });

  test.each(Object.entries(presets))('%s by its name', async (name, preset) => {
    const client = await untouchedConnection();
    const settings = parseKeepAliveOptions(preset);
    expect(setKeepAlive(client, name as keyof typeof presets)).toEqual(asApplied(settings));
    expect(getKeepAlive(client)).toEqual(asRead(settings));
    const { initialDelay, interval, count, userTimeout } = preset;
    expect(kernelValues(client)).toBe(
      `1:${initialDelay / 1_000}/${interval / 1_000}/${count} ${userTimeout}`,
    );
  });

  test.each([
    {
      options: { initialDelay: 1_500 },
      applied: { enable: true, initialDelay: 2_000 },
      kernel: '1:2/75/9 0',
    },
    { options: { interval: 1_000.01 }, applied: { enable: true, interval: 2_000 }, kernel: '1:7200/2/9 0' },
    { options: { userTimeout: 1_500.5 }, applied: { userTimeout: 1_501 }, kernel: '0:7200/75/9 1501' },
    {
      options: { initialDelay: 1_001, interval: 1_001, count: 2, userTimeout: 'auto' },
      applied: { enable: true, initialDelay: 2_000, interval: 2_000, count: 2, userTimeout: 5_500 },
      kernel: '1:2/2/2 5500',
    },
    {
      options: { initialDelay: 32_767_000, interval: 32_767_000, count: 127, userTimeout: 2_147_483_647 },
      applied: {
        enable: true,
        initialDelay: 32_767_000,
        interval: 32_767_000,
        count: 127,
        userTimeout: 2_147_483_647,
      },
      kernel: '1:32767/32767/127 2147483647',
    },
    {
      options: { initialDelay: 1_000, count: 1 },
      applied: { enable: true, initialDelay: 1_000, count: 1 },
      kernel: '1:1/75/1 0',
    },
    { options: { enable: false, count: 4 }, applied: { enable: false, count: 4 }, kernel: '0:7200/75/4 0' },
    { options: { enable: undefined, count: undefined }, applied: {}, kernel: untouched },
    { options: {}, applied: {}, kernel: untouched },
  ] satisfies { options: KeepAliveInput; applied: object; kernel: string }[])(
    '$options gives $applied',
    async ({ options, applied, kernel }) => {
      const client = await untouchedConnection();
      const result = setKeepAlive(client, options);
      expect(result).toEqual(applied);
      expect(Object.isFrozen(result)).toBe(true);
      expect(kernelValues(client)).toBe(kernel);
    },
  );

  test.each([
    { behaviour: { stict: true }, message: 'Expected `strict`, got `stict`; did you mean `strict`?' },
    { behaviour: { strict: 'yes' }, message: 'Expected `strict` to be true or false, got `yes` (string)' },
    { behaviour: null, message: 'Expected an object such as { strict: true }, got ' },
  ])('$behaviour is refused, and nothing set', async ({ behaviour, message }) => {
    const client = await untouchedConnection();
    expect(() => setKeepAlive(client, 'database', behaviour as never)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    );
    expect(kernelValues(client)).toBe(untouched);
  });

  test('strict changes nothing where nothing is lacking', async () => {
    const client = await untouchedConnection();
    const applied = setKeepAlive(client, 'database', { strict: true });
    expect(applied).toEqual(asApplied(parseKeepAliveOptions('database')));
    expect(kernelValues(client)).toBe('1:10/5/3 24500');
  });

  test('options are read again at each call', async () => {
    const client = await untouchedConnection();
    const options = { count: 3 };
    setKeepAlive(client, options);
    options.count = 4;
    setKeepAlive(client, options);
    expect(kernelValues(client)).toBe('1:7200/75/4 0');
  });

  test('a descriptor that Node was given', async () => {
    const client = await adopted('TCP');
    expect(setKeepAlive(client, 'database')).toEqual(asApplied(parseKeepAliveOptions('database')));
    expect(kernelValues(client)).toBe('1:10/5/3 24500');
  });

  test('a Multipath TCP socket, which has no user timeout: it is named in skipped', async ({ skip }) => {
    const missing = missingMultipath();
    skip(missing !== undefined, missing);
    const client = await adopted('MPTCP');
    const { userTimeout: _, maxRetransmitInterval: _auto, ...rest } = presets.database;
    expect(setKeepAlive(client, 'database').skipped).toContain('userTimeout');
    expect(getKeepAlive(client)).toEqual(rest);
    expect(() => setKeepAlive(client, 'tunnel', { strict: true })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED' }),
    );
    expect(getKeepAlive(client)).toEqual(rest);
  });

  test('options are checked before the socket is looked at', () => {
    expect(() => setKeepAlive({} as net.Socket, { count: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
    );
  });
});

test('strict is what nobody means who does not say it', () => {
  expect([isStrict({}), isStrict({ strict: false }), isStrict({ strict: true })]).toEqual([
    false,
    false,
    true,
  ]);
});

test('a call is announced', async () => {
  const messages = heard('set');
  const socket = await untouchedConnection();
  setKeepAlive(socket, { count: 4 });
  expect(messages.of(socket)).toMatchObject([
    { by: { name: 'setKeepAlive' }, options: { count: 4 }, held: false },
  ]);
});

test('a call for TLS that was started on a held socket has the reaper look at what is read', async () => {
  const { client, close } = await tlsPair('127.0.0.1', (port) =>
    keepAlive(net.connect(port, '127.0.0.1'), 'database'),
  );
  onTestFinished(close);
  const handle = tcpHandle(client) as MarkedHandle;
  expect(handle[WATCHED]?.reader).toBeUndefined();
  setKeepAlive(client, { count: 4 });
  expect(handle[WATCHED]?.reader?.deref()).toBe(readingHandle(client));
});
