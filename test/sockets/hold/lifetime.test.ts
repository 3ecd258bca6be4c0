import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { keepAlive, setKeepAlive } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { connection } from '../../helpers/connection.ts';
import { handleOf } from '../../helpers/handle-of.ts';
import { hideDescriptor, showDescriptor } from '../../helpers/hide-descriptor.ts';
import { databaseInKernel, driverInKernel, soonAfter } from '../../helpers/hold-parts.ts';
import { listen } from '../../helpers/listen.ts';
import { kernelValues, writeRaw } from '../../helpers/raw-options.ts';
import { runFixture } from '../../helpers/run-fixture.ts';

type Package = typeof import('../../../src/index.ts');

/** The package evaluated once more, as another installed version would be. */
async function secondCopy(): Promise<Package> {
  vi.resetModules();
  return import('../../../src/index.ts');
}

/** The package as CommonJS. */
function commonJsBuild(): Package {
  const entry = fileURLToPath(new URL('../../../src/index.ts', import.meta.url));
  const { outputFiles } = buildSync({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['koffi'],
    write: false,
    logOverride: { 'empty-import-meta': 'silent' },
  });
  const module = { exports: {} as Package };
  const evaluate = new Function('module', 'exports', 'require', '__filename', outputFiles[0]?.text ?? '');
  evaluate(module, module.exports, createRequire(entry), entry);
  return module.exports;
}

describe.runIf(process.platform === 'linux')('a hold', () => {
  const copies: { copy: string; load: () => Package | Promise<Package> }[] = [
    { copy: 'another copy of the package', load: secondCopy },
    { copy: 'its CommonJS build', load: commonJsBuild },
  ];

  test.each(copies)('without a descriptor lets pass what $copy calls', async ({ load }) => {
    const other = await load();
    for (const [first, second] of [
      [keepAlive, other.setKeepAlive],
      [other.keepAlive, setKeepAlive],
    ] as const) {
      const socket = await connection();
      hideDescriptor(socket);
      first(socket, { initialDelay: 10_000 });
      second(socket, { initialDelay: 20_000 });
      socket.setKeepAlive(true, 33_000);
      showDescriptor(socket);
      expect(kernelValues(socket)).toBe('1:20/1/10 0');
    }
  });

  test.each(copies)('is one with that of $copy', async ({ load }) => {
    const other = await load();
    expect(other.keepAlive).not.toBe(keepAlive);
    const socket = await connection();
    const before = socket.listenerCount('connect');
    keepAlive(socket, 'tunnel');
    const shadow = handleOf(socket).setKeepAlive;
    other.keepAlive(socket, 'database');
    expect(handleOf(socket).setKeepAlive).toBe(shadow);
    expect(socket.listenerCount('connect')).toBe(before + 1);
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe(databaseInKernel);

    other.setKeepAlive(socket, { count: 4 });
    setKeepAlive(socket, { userTimeout: 5_000 });
    socket.setKeepAlive(true, 34_000);
    expect(kernelValues(socket)).toBe('1:10/5/4 5000');

    other.keepAlive(socket, false);
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe(`${driverInKernel} 5000`);
  });

  test('leaves nothing behind when its socket is gone', async () => {
    expect(await runFixture('hold-leaves-nothing.ts')).toEqual({ sockets: 0, handles: 0 });
  });

  test.each(['open', 'connecting'])('does not keep a process alive: %s', async (moment) => {
    const port = await listen(net.createServer());
    expect(await runFixture('hold-unreferenced.ts', String(port), moment)).toEqual({ moment });
  });

  test('is not stopped by fake timers', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const socket = net.connect(await listen(net.createServer()), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    keepAlive(socket, 'database');
    socket.on('connect', () => writeRaw(socket, 'interval', 1));
    await once(socket, 'connect');
    await soonAfter();
    expect(kernelValues(socket)).toBe(databaseInKernel);
  });
});
