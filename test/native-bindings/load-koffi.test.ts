import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { koffiBinaries, koffiPackage, koffiVersion } from '../../native-bindings/koffi-packages.ts';
import { loadKoffi } from '../../native-bindings/load-koffi.ts';
import { bundle, platformPackage } from '../helpers/bundle.ts';
import { hasNodeFfi } from '../helpers/without-ffi.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const require = createRequire(import.meta.url);

describe('the packages of koffi', () => {
  const koffi = JSON.parse(readFileSync(join(dirname(require.resolve('koffi')), 'package.json'), 'utf8'));

  test('are the optional dependencies of koffi, each at the same exact version', () => {
    expect(manifest.optionalDependencies).toEqual(koffi.optionalDependencies);
    expect(manifest.devDependencies.koffi).toBe(koffi.version);
  });

  test('are those that the loader knows', () => {
    expect(Object.keys(koffiBinaries).map(koffiPackage)).toEqual(
      Object.keys(koffi.optionalDependencies).sort(),
    );
    expect(koffiVersion).toBe(koffi.version);
  });

  test('hold the binaries that tracing tools are told of', () => {
    const folder = dirname(require.resolve(platformPackage));
    const binaries = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'koffi.node')));
    expect(koffiBinaries[`${process.platform}-${process.arch}`]).toEqual(binaries);
  });
});

test("loads this system's package, of which koffi itself is only a wrapper", () => {
  expect(loadKoffi()).toBe(require(platformPackage));
});

test('loads koffi itself if its package for this system is not installed', async () => {
  const beside = await bundle({ koffi: 'koffi' });
  try {
    const told = await beside.run(`
      const lib = await import('./bundle.mjs');
      const socket = await connect();
      lib.setKeepAlive(socket, 'database');
      tell(lib.getKeepAlive(socket).count);
    `);
    expect(told).toBe(3);
  } finally {
    beside.remove();
  }
});

describe('what cannot be loaded, here by a faked resolver', () => {
  afterEach(() => {
    vi.doUnmock('node:module');
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  /** The error of a loader for whose `require` each of these packages fails with this error. */
  async function failureWith(
    errors: Readonly<Record<string, Error>>,
    { system = `${process.platform}-${process.arch}`, isInstalled = true } = {},
  ): Promise<unknown> {
    const [platform, arch] = system.split('-');
    const load = Object.assign(
      (name: string) => {
        throw errors[name] ?? missing(name);
      },
      {
        resolve: () =>
          isInstalled ? require.resolve('tcp-keepalive/package.json') : '/elsewhere/package.json',
      },
    );
    const faked = { createRequire: () => load };
    vi.doMock('node:module', () => faked);
    // Bound, because the fake process is another object.
    const own = process.getBuiltinModule?.bind(process);
    const builtin = (name: string) => (name === 'node:module' ? faked : own?.(name));
    vi.stubGlobal(
      'process',
      Object.create(process, {
        platform: { value: platform },
        arch: { value: arch },
        getBuiltinModule: { value: builtin },
      }),
    );
    vi.resetModules();
    const fresh = await import('../../native-bindings/load-koffi.ts');
    try {
      return fresh.loadKoffi();
    } catch (error) {
      return error;
    }
  }

  function missing(name: string): Error {
    return coded('MODULE_NOT_FOUND', `Cannot find module '${name}'\nRequire stack:\n- /somewhere`);
  }

  function coded(code: string, message: string): Error {
    return Object.assign(new Error(message), { code });
  }

  test.each([
    {
      where: 'installed without optional dependencies',
      options: { system: 'linux-arm64' },
      errors: {},
      message:
        "Cannot find module '@koromix/koffi-linux-arm64'. Optional dependencies were left out, or the lockfile " +
        `was made on another system: npm install @koromix/koffi-linux-arm64@${manifest.devDependencies.koffi}`,
    },
    {
      where: 'in a bundle',
      options: { system: 'linux-arm64', isInstalled: false },
      errors: {},
      message:
        "Cannot find module '@koromix/koffi-linux-arm64'. This program is a bundle: leave tcp-keepalive external, " +
        'or copy node_modules/@koromix/koffi-linux-arm64 beside it',
    },
    {
      where: 'on a system that koffi has no binary for',
      options: { system: 'linux-s390x' },
      errors: {},
      message:
        "Cannot find module 'koffi'. koffi publishes no binary for linux-s390x: npm install koffi compiles one, " +
        'with a C++ compiler and CMake',
    },
    {
      where: 'a binary for another system',
      options: { system: 'linux-x64' },
      errors: { '@koromix/koffi-linux-x64': coded('ERR_DLOPEN_FAILED', 'wrong ELF class') },
      message:
        'wrong ELF class. Install it again on the system that runs it: ' +
        `npm install @koromix/koffi-linux-x64@${manifest.devDependencies.koffi}`,
    },
    {
      where: 'a koffi that was compiled and refuses, beside no package for this system',
      options: { system: 'linux-x64' },
      errors: { koffi: coded('ERR_DLOPEN_DISABLED', 'loading addons is disabled') },
      message: `loading addons is disabled. Run Node with --allow-addons${hasNodeFfi ? ' or --allow-ffi' : ''} beside --permission`,
    },
  ])('$where: the error says what helps', async ({ options, errors, message }) => {
    expect(await failureWith(errors, options)).toMatchObject({
      message: `Cannot load koffi, which calls setsockopt: ${message}`,
      cause: expect.objectContaining({ code: expect.any(String) }),
    });
  });
});
