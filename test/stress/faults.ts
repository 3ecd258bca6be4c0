import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { presets } from 'tcp-keepalive';
import { type Bundle, bundle } from '../helpers/bundle.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { withoutFfi } from '../helpers/without-ffi.ts';
import { whenAlone } from './alone.ts';

// A service that holds its connections, where the kernel refuses each setsockopt, by `strace --inject`,
// and where koffi is missing, refuses to load, is not allowed, or lies where nothing can be executed.
// Each time it keeps its connections, and one warning says what is not set. Two of its connections have
// an onError of their own, which fails too: that must not end the service either.
//
//     npx tsx test/stress/faults.ts [--full]

/** What Linux's setsockopt can fail with, by setsockopt(2), tcp(7), security modules and seccomp. */
const errnos = [
  ...['EACCES', 'EBADF', 'EDOM', 'EFAULT', 'EINVAL', 'EISCONN', 'ENOBUFS', 'ENOMEM', 'ENOPROTOOPT', 'ENOSYS'],
  ...['ENOTCONN', 'ENOTSOCK', 'EOPNOTSUPP', 'EPERM', 'ERANGE'],
];

/** Those of them by which a kernel says that there is no TCP here. */
const notTcp = ['ENOPROTOOPT', 'ENOTSOCK', 'EOPNOTSUPP'];

interface Told {
  /** The codes of what the two handlers were told. */
  readonly handled: readonly string[];
  /** The options of each connection, or the code of the error when they were read. */
  readonly settings: readonly unknown[];
  readonly warnings: readonly { name: string; code: string; message: string }[];
  /** What came back through each connection. */
  readonly echoes: readonly string[];
}

interface Fault {
  readonly name: string;
  readonly command: readonly string[];
  /** The code of the only warning about what is not set; `undefined` if all must be set. */
  readonly code: string | undefined;
  /** Whether it concerns each connection, and so is told to its handler. */
  readonly ofConnection?: boolean;
  readonly says?: RegExp;
}

export async function faults(full: boolean): Promise<Record<string, string>> {
  const [withKoffi, without] = await Promise.all([bundle({ koffi: true }), bundle({ koffi: false })]);
  const echo = net.createServer((socket) => socket.on('error', () => {}).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const port = String((echo.address() as net.AddressInfo).port);
  const outcomes: Record<string, string> = {};
  try {
    for (const fault of [
      ...setsockoptFaults(withKoffi, full),
      ...koffiFaults(withKoffi, without),
      ...(full ? installationFaults(without) : []),
    ]) {
      const missing = missingFor(fault);
      outcomes[fault.name] =
        missing === undefined ? check(fault, await run(fault.command, port)) : `not run: ${missing}`;
    }
  } finally {
    echo.close();
    withKoffi.remove();
    without.remove();
  }
  return outcomes;
}

/** Why a fault cannot be made on this machine. */
function missingFor({ command: [program = ''] }: Fault): string | undefined {
  const trial = trials[program];
  if (trial === undefined || spawnSync(program, trial).status === 0) return undefined;
  return `${program} is not installed, or not allowed`;
}

function check({ name, code, ofConnection = false, says }: Fault, told: Told): string {
  assert.deepEqual(told.echoes, ['0', '1', '2'], `${name}: the connections work`);
  assert.deepEqual(told.handled, ofConnection ? [code, code] : [], `${name}: the handlers are told`);
  const warnings = told.warnings.filter((warning) => warning.name === 'KeepAliveWarning');
  const expected = [...(code === undefined ? [] : [code]), ...(ofConnection ? [HANDLER_FAILED] : [])];
  assert.deepEqual(warnings.map((warning) => warning.code).sort(), expected.sort(), `${name}: the warnings`);
  const message = warnings.find((warning) => warning.code === code)?.message;
  if (says !== undefined) assert.match(message ?? '', says, name);
  if (message !== undefined) return message;
  const { database } = presets;
  assert.deepEqual(told.settings, [database, database, database], `${name}: all is set`);
  return 'all set';
}

async function run(command: readonly string[], port: string): Promise<Told> {
  const [program = '', ...args] = command;
  const { stdout } = await promisify(execFile)(program, [...args, port], { timeout: PATIENCE });
  return JSON.parse(stdout) as Told;
}

const HANDLER_FAILED = 'ERR_KEEPALIVE_ON_ERROR_THREW';

const strace = ['strace', '-f', '-qq', '-o', '/dev/null'];
const unshare = ['unshare', '-Urm'];

/** What a program that makes faults has to be able to do, with nothing to do it to. */
const trials: Record<string, readonly string[]> = {
  strace: [...strace.slice(1), 'true'],
  unshare: [...unshare.slice(1), 'true'],
};

function setsockoptFaults(withKoffi: Bundle, full: boolean): Fault[] {
  const injected = full ? errnos : ['ENOBUFS', 'EOPNOTSUPP'];
  return injected.map((errno) => refusedBy(errno, service(withKoffi)));
}

function refusedBy(errno: string, service: string): Fault {
  const inject = `inject=setsockopt:error=${errno}`;
  return {
    name: `setsockopt fails with ${errno}`,
    command: [...strace, '-e', 'trace=setsockopt', '-e', inject, process.execPath, service],
    code: notTcp.includes(errno) ? 'ERR_KEEPALIVE_NOT_TCP' : errno,
    ofConnection: true,
    says: new RegExp(`TCP_\\w+ failed: ${errno === 'EOPNOTSUPP' ? 'E\\w+' : errno}`),
  };
}

const unsupported = { code: 'ERR_KEEPALIVE_UNSUPPORTED', says: /no bound on unacknowledged data/ };

function koffiFaults(withKoffi: Bundle, without: Bundle): Fault[] {
  const node = [process.execPath, ...withoutFfi];
  const refusing = service(without, 'refusing');
  installRefusingKoffi(path.dirname(refusing));
  return [
    { name: 'koffi is missing', command: [...node, service(without)], ...unsupported },
    { name: 'koffi throws when it is loaded', command: [...node, refusing], ...unsupported },
    {
      name: 'addons are not permitted',
      command: [...node, ...permissionFlags(), service(withKoffi)],
      ...unsupported,
    },
  ];
}

/** Where a whole installation lies on a file system of its own. */
function installationFaults(without: Bundle): Fault[] {
  const installed = path.dirname(service(without, 'installed'));
  installKoffi(installed);
  return [
    {
      name: 'koffi is where nothing can be executed',
      command: mountedCopy(installed, 'noexec'),
      ...unsupported,
    },
    {
      name: 'everything is on a read-only file system',
      command: mountedCopy(installed, 'ro'),
      code: undefined,
    },
  ];
}

function permissionFlags(): string[] {
  const allowed = process.allowedNodeEnvironmentFlags;
  const permission = allowed.has('--permission') ? '--permission' : '--experimental-permission';
  return [permission, '--allow-fs-read=*', ...(allowed.has('--allow-net') ? ['--allow-net'] : [])];
}

/** Runs a copy of a directory from a file system of its own, mounted in a namespace of its own. */
function mountedCopy(directory: string, option: 'noexec' | 'ro'): string[] {
  const script = `set -e
    mkdir "$0-${option}"
    mount -t tmpfs tmpfs "$0-${option}"
    cp -R "$0/." "$0-${option}"
    mount -o remount,${option} "$0-${option}"
    cd "$0-${option}"
    exec "$1" ${withoutFfi.join(' ')} service.mjs "$2"`;
  return [...unshare, 'sh', '-c', script, directory, process.execPath];
}

function installRefusingKoffi(directory: string): void {
  const koffi = path.join(directory, 'node_modules', 'koffi');
  mkdirSync(koffi, { recursive: true });
  writeFileSync(path.join(koffi, 'package.json'), '{ "main": "index.js" }');
  writeFileSync(path.join(koffi, 'index.js'), "throw new Error('built for another system');");
}

/** A copy of koffi and of its binary, as npm installs them. */
function installKoffi(directory: string): void {
  const modules = path.join(directory, 'node_modules');
  const own = path.dirname(createRequire(import.meta.url).resolve('koffi'));
  cpSync(own, path.join(modules, 'koffi'), { recursive: true });
  const binaries = path.join(own, '..', '@koromix');
  cpSync(binaries, path.join(modules, '@koromix'), { recursive: true });
}

/** Writes the service beside a bundle, or with a copy of it into a directory there. */
function service(from: Bundle, directory = '.'): string {
  const home = path.join(path.dirname(from.cjs), directory);
  mkdirSync(home, { recursive: true });
  if (directory !== '.') cpSync(from.cjs, path.join(home, 'bundle.cjs'));
  const file = path.join(home, 'service.mjs');
  writeFileSync(file, serviceSource);
  return file;
}

const serviceSource = `
import { once } from 'node:events';
import { createRequire } from 'node:module';
import net from 'node:net';
const { getKeepAlive, keepAlive } = createRequire(import.meta.url)('./bundle.cjs');

const warnings = [];
process.on('warning', ({ name, code, message }) => warnings.push({ name, code, message }));
const handled = [];
const fail = ({ code }) => {
  handled.push(code);
  throw new Error('from the handler');
};
const port = Number(process.argv.at(-1));
const sockets = [{}, { onError: fail }, { onError: async (error) => fail(error) }].map((behaviour) =>
  keepAlive(net.connect(port, '127.0.0.1'), 'database', behaviour));
await Promise.all(sockets.map((socket) => once(socket, 'connect')));
for (const socket of sockets) socket.setKeepAlive(true, 33_000);
await new Promise(setImmediate);
const echoes = await Promise.all(sockets.map(async (socket, at) => {
  socket.write(String(at));
  return String((await once(socket, 'data'))[0]);
}));
const settings = sockets.map((socket) => {
  try {
    return getKeepAlive(socket);
  } catch ({ code }) {
    return code;
  }
});
for (const socket of sockets) socket.destroy();
process.stdout.write(JSON.stringify({ warnings, handled, echoes, settings }));
`;

await whenAlone(import.meta.url, faults);
