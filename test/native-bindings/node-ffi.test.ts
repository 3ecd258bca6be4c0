import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { type Bundle, bundle } from '../helpers/bundle.ts';
import { asRead } from '../helpers/retransmit-interval.ts';
import { hasNodeFfi } from '../helpers/without-ffi.ts';

const permission = ['--permission', '--allow-fs-read=*', '--allow-net'];

describe.runIf(hasNodeFfi)("Node's own FFI, where koffi is not installed", () => {
  let alone: Bundle;
  beforeAll(async () => {
    alone = await bundle({ koffi: false });
  });
  afterAll(() => alone.remove());

  test.each([
    { where: 'with all permissions', flags: [] },
    { where: 'with --permission --allow-ffi', flags: [...permission, '--allow-ffi'] },
  ])('sets and reads back, $where', async ({ flags }) => {
    const told = await alone.run(
      `
      const lib = await import('./bundle.mjs');
      const socket = await connect();
      const before = lib.getKeepAlive(socket);
      lib.setKeepAlive(socket, 'database');
      tell({ enabled: before.enable, after: lib.getKeepAlive(socket), state: lib.getTcpInfo(socket).state });
    `,
      flags,
    );
    expect(told).toEqual({
      enabled: false,
      after: asRead(parseKeepAliveOptions('database')),
      state: 'ESTABLISHED',
    });
  });

  test('names the error of a call that fails, each time', async () => {
    const told = await alone.run(`
      const lib = await import('./bundle.mjs');
      const file = (await import('node:fs')).openSync('/dev/null');
      const socket = await connect();
      Object.defineProperty(socket._handle, 'fd', { value: file, configurable: true });
      const codes = new Set();
      for (let i = 0; i < 10_000; i++) codes.add(told(() => lib.setKeepAlive(socket, 'database')).message);
      delete socket._handle.fd;
      tell([...codes]);
    `);
    expect(told).toEqual([expect.stringContaining('ENOTSOCK')]);
  });

  test('is refused with koffi under --permission alone, and the message names both doors', async () => {
    const told = await alone.run(
      `
      const lib = await import('./bundle.mjs');
      const socket = await connect();
      tell(told(() => lib.setKeepAlive(socket, 'database')).code);
    `,
      permission,
    );
    expect(told).toBe('ERR_KEEPALIVE_UNSUPPORTED');
  });
});
