import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { getKeepAlive, getTcpInfo, setKeepAlive } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test } from 'vitest';
import { linux } from '../../native-bindings/platforms/linux.ts';
import type { OptionName } from '../../src/options/options.ts';
import { connection, untouchedConnection } from '../helpers/connection.ts';
import { hideDescriptor } from '../helpers/hide-descriptor.ts';
import { packageOn } from '../helpers/package-on.ts';
import { kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';
import { asRead } from '../helpers/retransmit-interval.ts';
import { fixtureArguments } from '../helpers/run-fixture.ts';
import { socketKinds } from '../helpers/socket-kinds.ts';

describe.runIf(process.platform === 'linux')('on Linux', () => {
  test.each(socketKinds)('$kind', async ({ open }) => {
    const { socket, carrier, close } = await open();
    onTestFinished(close);
    const raw = { enable: 1, initialDelay: 41, interval: 42, count: 7, userTimeout: 9_000 };
    for (const [option, value] of Object.entries(raw)) writeRaw(carrier, option as 'count', value);
    const settings = {
      enable: true,
      initialDelay: 41_000,
      interval: 42_000,
      count: 7,
      userTimeout: 9_000,
    };
    expect(getKeepAlive(socket)).toEqual(asRead(settings));
    expect(getTcpInfo(socket).state).toBe('ESTABLISHED');
  });

  describe('what was read is accepted again', () => {
    test.each(['7200/75/9 0', '10/5/3 24500', '32767/32767/127 2147483647'])('%s', async (values) => {
      const [first, second] = [await untouchedConnection(), await untouchedConnection()];
      const [idle, intvl, cnt, ut] = values.split(/[/ ]/).map(Number);
      const written = { initialDelay: idle, interval: intvl, count: cnt, userTimeout: ut, enable: 1 };
      for (const [option, value] of Object.entries(written)) writeRaw(first, option as 'count', value ?? 0);

      const read = getKeepAlive(first);

      expect(Object.isFrozen(read)).toBe(true);
      expect(setKeepAlive(second, read)).toEqual(read);
      expect(kernelValues(second)).toBe(`1:${values}`);
    });

    test('even a user timeout under a second, which another program set', async () => {
      const [first, second] = [await untouchedConnection(), await untouchedConnection()];
      writeRaw(first, 'userTimeout', 250);
      const read = getKeepAlive(first);
      expect(read).toMatchObject({ enable: false, userTimeout: 250 });
      expect(setKeepAlive(second, read)).toEqual(read);
      expect(kernelValues(second)).toBe('0:7200/75/9 250');
      // A copy is a person's again.
      expect(() => setKeepAlive(second, { ...read })).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
      );
    });
  });

  describe('it goes unchecked only if it is out of the usual range', () => {
    const {
      initialDelay = 0,
      interval = 0,
      count = 0,
      userTimeout = 0,
      maxRetransmitInterval = 0,
    } = numbers();
    const usual = {
      [initialDelay]: 10,
      [interval]: 5,
      [count]: 3,
      [userTimeout]: 0,
      [maxRetransmitInterval]: 120_000,
    };

    test.each([
      { read: 'each option', values: {}, isChecked: true },
      { read: 'a delay of 32 767 s', values: { [initialDelay]: 32_767 }, isChecked: true },
      { read: 'a delay of 32 768 s', values: { [initialDelay]: 32_768 }, isChecked: false },
      { read: 'an interval of 32 767 s', values: { [interval]: 32_767 }, isChecked: true },
      { read: 'an interval of 32 768 s', values: { [interval]: 32_768 }, isChecked: false },
      { read: '127 probes', values: { [count]: 127 }, isChecked: true },
      { read: '128 probes', values: { [count]: 128 }, isChecked: false },
      { read: 'no probe', values: { [count]: 0 }, isChecked: false },
      { read: 'no delay', values: { [initialDelay]: 0 }, isChecked: false },
      { read: 'a user timeout of 1 000 ms', values: { [userTimeout]: 1_000 }, isChecked: true },
      { read: 'a user timeout of 999 ms', values: { [userTimeout]: 999 }, isChecked: false },
    ])('$read', async ({ values, isChecked }) => {
      const { answers } = recordedLibc();
      for (const [name, value] of Object.entries({ ...usual, ...values })) answers.set(Number(name), value);
      const client = await connection();
      const { getKeepAlive } = await packageOn('linux');
      const { parseKeepAliveOptions } = await import('../../src/options/parse.ts');
      const read = getKeepAlive(client);
      // What is checked is copied.
      expect(parseKeepAliveOptions(read) !== read).toBe(isChecked);
    });
  });

  const hasNamespaces = spawnSync('unshare', ['-Urn', 'true']).status === 0;
  test.runIf(hasNamespaces).each([
    { time: 86_400, interval: 75, count: 200 },
    { time: 7_200, interval: 75, count: 0 },
    { time: 7_200, interval: 0, count: 9 },
    { time: 0, interval: 75, count: 9 },
  ])(
    'defaults that Linux has but does not take are accepted where they are there: $time, $interval, $count',
    async ({ time, interval, count }) => {
      const script =
        'cd /proc/sys/net/ipv4; echo $0 > tcp_keepalive_time; echo $1 > tcp_keepalive_intvl; ' +
        'echo $2 > tcp_keepalive_probes; shift 2; exec "$@"';
      const { stdout } = await promisify(execFile)('unshare', [
        ...['-Urn', 'sh', '-c', script, ...[time, interval, count].map(String), process.execPath],
        ...(await fixtureArguments('wide-defaults.ts')),
      ]);
      const { refused, ...accepted } = JSON.parse(stdout);
      const defaults = {
        enable: false,
        initialDelay: time * 1_000,
        interval: interval * 1_000,
        count,
        userTimeout: 0,
      };
      expect(accepted).toEqual({ read: asRead(defaults), set: asRead(defaults) });
      // The fixture has changed the count of this connection.
      expect(refused).toBe(count > 0 && count <= 127 ? undefined : 'EINVAL');
    },
  );

  test('a socket without a descriptor has nothing to read from', async () => {
    const client = await connection();
    hideDescriptor(client);
    const failure = expect.objectContaining({ code: 'ERR_KEEPALIVE_NO_DESCRIPTOR' });
    expect(() => getTcpInfo(client)).toThrow(failure);
    expect(() => getKeepAlive(client)).toThrow(failure);
  });
});

/** The numbers by which Linux knows its options. */
function numbers(): Partial<Record<OptionName, number>> {
  return Object.fromEntries(Object.entries(linux).map(([option, { name }]) => [option, name]));
}

test('a system without TCP_INFO, here a fake of OpenBSD', async () => {
  const client = await connection();
  const { getTcpInfo } = await packageOn('openbsd');
  expect(() => getTcpInfo(client)).toThrow(
    expect.objectContaining({
      code: 'ERR_KEEPALIVE_UNSUPPORTED',
      message: 'Cannot read TCP_INFO on openbsd: only Linux and macOS have it',
    }),
  );
});
