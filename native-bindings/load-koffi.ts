import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Koffi from 'koffi';

/** The version of koffi's platform packages that this package installs. */
const KOFFI_VERSION = '3.3.4';

/**
 * The systems for which koffi publishes a binary, each as a package of its own. Such a package is a whole
 * koffi, and has no install script. They are this package's optional dependencies.
 */
export const koffiPlatforms: readonly string[] = [
  'android-arm64',
  'android-x64',
  'darwin-arm64',
  'darwin-x64',
  'freebsd-arm64',
  'freebsd-ia32',
  'freebsd-x64',
  'linux-arm',
  'linux-arm64',
  'linux-ia32',
  'linux-loong64',
  'linux-ppc64',
  'linux-riscv64',
  'linux-x64',
  'openbsd-arm64',
  'openbsd-ia32',
  'openbsd-x64',
  'win32-arm64',
  'win32-ia32',
  'win32-x64',
];

/**
 * Loads koffi: the package for this system or, where koffi publishes none, `koffi` itself, which compiles
 * one when it is installed.
 *
 * @throws an error that says what failed and what helps here; its `cause` is the loader's own error.
 */
export function loadKoffi(): typeof Koffi {
  const require = createRequire(here);
  const failures: unknown[] = [];
  for (const name of [platformPackage(), 'koffi']) {
    try {
      if (name !== undefined) return require(name) as typeof Koffi;
    } catch (error) {
      failures.push(error);
    }
  }
  // A package that is there and refused says more than one that is not there.
  throw cannotLoad(failures.find((error) => !isMissing(error)) ?? failures[0], require);
}

// Bundled to CommonJS, import.meta is empty; __filename is real there, and missing in ESM.
const here: string = import.meta.url ?? __filename;

const system = `${process.platform}-${process.arch}`;

function platformPackage(): string | undefined {
  return koffiPlatforms.includes(system) ? `@koromix/koffi-${system}` : undefined;
}

function cannotLoad(cause: unknown, require: NodeJS.Require): Error {
  const reason = String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0];
  return new Error(`Cannot load koffi, which calls setsockopt: ${reason}. ${cure(cause, require)}`, {
    cause,
  });
}

/** What helps whoever reads the error, in the place where the program runs. */
function cure(cause: unknown, require: NodeJS.Require): string {
  const name = platformPackage();
  if (codeOf(cause) === 'ERR_DLOPEN_DISABLED') return 'Run Node with --allow-addons beside --permission';
  if (name === undefined) {
    return `koffi publishes no binary for ${system}: npm install koffi compiles one, with a C++ compiler and CMake`;
  }
  const install = `npm install ${name}@${KOFFI_VERSION}`;
  if (!isMissing(cause)) return `Install it again on the system that runs it: ${install}`;
  if (isBundled(require)) {
    return `This program is a bundle: leave tcp-keepalive external, or copy node_modules/${name} beside it`;
  }
  return `Optional dependencies were left out, or the lockfile was made on another system: ${install}`;
}

/** Whether this code lies outside of the package, in a file that a bundler made. */
function isBundled(require: NodeJS.Require): boolean {
  try {
    const file = here.startsWith('file:') ? fileURLToPath(here) : here;
    return !file.startsWith(dirname(require.resolve('tcp-keepalive/package.json')));
  } catch {
    return true;
  }
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'MODULE_NOT_FOUND';
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}
