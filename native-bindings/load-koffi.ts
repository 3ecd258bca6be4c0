import * as nodeModule from 'node:module';
import { dirname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Koffi from 'koffi';
import { koffiBinaries, koffiPackage, koffiVersion } from './koffi-packages.ts';

const system = `${process.platform}-${process.arch}`;

/** koffi's package for this system. */
const platformPackage = Object.hasOwn(koffiBinaries, system) ? koffiPackage(system) : undefined;

/**
 * Loads koffi: the package for this system or, if there is none, `koffi` itself, which compiles a binary
 * when it is installed.
 *
 * @throws an error that says what failed and what helps here; its `cause` is the loader's own error.
 */
export function loadKoffi(): typeof Koffi {
  const failures: unknown[] = [];
  for (const name of platformPackage === undefined ? ['koffi'] : [platformPackage, 'koffi']) {
    for (const require of requires()) {
      try {
        return require(name) as typeof Koffi;
      } catch (error) {
        failures.push(error);
      }
    }
  }
  // The error of a package that exists but cannot be loaded says more than that of a missing one.
  throw cannotLoad(failures.find((error) => !isMissing(error)) ?? failures[0]);
}

/**
 * The files that this code may be in. A bundler may omit the file's name or its URL, or replace them by those
 * at build time: webpack does so with the URL, and Bun with the name. The program itself is then tried.
 */
function places(): string[] {
  const { url } = import.meta;
  const places = [fileName(), url === undefined ? undefined : fileURLToPath(url), process.argv[1]];
  // A worker made from a string has no file, and `node --eval` no program.
  return places.filter((place) => place !== undefined && isAbsolute(place)) as string[];
}

/** A try block, because ESM has no `__filename`, and webpack would replace `typeof __filename`. */
function fileName(): string | undefined {
  try {
    return __filename;
  } catch {
    return undefined;
  }
}

function requires(): NodeJS.Require[] {
  // Not a named import: webpack would try to resolve such a call itself, and cannot read its argument.
  const { createRequire } = process.getBuiltinModule?.('node:module') ?? nodeModule;
  return places().map((place) => createRequire(place));
}

function cannotLoad(cause: unknown): Error {
  const reason = String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0];
  return new Error(`Cannot load koffi, which calls setsockopt: ${reason}. ${cure(cause)}`, { cause });
}

/** Advice that fits the place where the program runs. */
function cure(cause: unknown): string {
  if (codeOf(cause) === 'ERR_DLOPEN_DISABLED') {
    const hasFfi = process.getBuiltinModule?.('node:ffi') !== undefined;
    return `Run Node with --allow-addons${hasFfi ? ' or --allow-ffi' : ''} beside --permission`;
  }
  if (platformPackage === undefined) {
    return `koffi publishes no binary for ${system}: npm install koffi compiles one, with a C++ compiler and CMake`;
  }
  const install = `npm install ${platformPackage}@${koffiVersion}`;
  if (!isMissing(cause)) return `Install it again on the system that runs it: ${install}`;
  if (isBundled()) {
    return `This program is a bundle: leave tcp-keepalive external, or copy node_modules/${platformPackage} beside it`;
  }
  return `Optional dependencies were left out, or the lockfile was made on another system: ${install}`;
}

/** Whether this code is outside the package, in a file that a bundler made. */
function isBundled(): boolean {
  return !requires().some((require) => {
    try {
      const home = dirname(require.resolve('tcp-keepalive/package.json'));
      return places().some((place) => place.startsWith(home));
    } catch {
      return false;
    }
  });
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'MODULE_NOT_FOUND';
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}
