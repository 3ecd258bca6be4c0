import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chownSync, constants, mkdtempSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server that tests can start, if it is installed. */
export interface TestServer {
  readonly name: string;
  /** The reason why it cannot be started here and what installs it, or `undefined`. */
  missing(): string | undefined;
  start(): Promise<RunningServer>;
}

/** A real server for this process alone, on a free port, with its data in a temporary directory. */
export interface RunningServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** The path that drivers accept for a Unix socket: for pg the directory, as `host`; otherwise the file. */
  readonly socketPath: string;
  /** The certificate to trust if the server has TLS, valid for `localhost` and its addresses. */
  readonly tlsCa?: string;
  /** Ends the server and removes its directory. Both also happen if this process dies first. */
  stop(): Promise<void>;
}

/** The differences between servers. */
export interface ServerProgram {
  readonly name: string;
  /** The signal on which it ends at once, even with clients connected. */
  readonly stopSignal: 'INT' | 'TERM';
  /** The output with which it announces that it accepts connections. */
  readonly ready: RegExp;
  /** Fills the directory, and returns the program that serves from it on a port, and its arguments. */
  prepare(home: ServerHome): Promise<(port: number) => readonly [string, ...string[]]>;
}

/** A directory that belongs to the server's user, and the processes that work in it. */
export interface ServerHome {
  readonly directory: string;
  /** Writes a file that only the server's user can read, and returns its path. */
  write(name: string, text: string): string;
  /** Runs a program as the server's user, to its end. */
  run(command: string, ...args: readonly string[]): Promise<void>;
  /** Starts a program as the server's user and waits until its output matches. */
  serve(ready: RegExp, command: string, ...args: readonly string[]): Promise<void>;
  /** Ends the processes in it and removes it. */
  close(): Promise<void>;
}

/** Database servers refuse to run as root. Root runs them as `nobody`, anyone else as themselves. */
export const serverUser: { uid: number; gid: number } | undefined =
  process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;

// The PATH of most users lacks the administrator's directories.
const SEARCH_PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin:/usr/libexec`;

/** The path of an installed program. */
export function findProgram(name: string): string | undefined {
  return SEARCH_PATH.split(':')
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

/** Starts a server on a free port of loopback. */
export async function startServer(program: ServerProgram): Promise<{ port: number; home: ServerHome }> {
  const home = openServerHome(program.name, program.stopSignal);
  try {
    const command = await program.prepare(home);
    return { port: await serveOnFreePort(home, program.ready, command), home };
  } catch (error) {
    await home.close();
    throw error;
  }
}

async function serveOnFreePort(
  home: ServerHome,
  ready: RegExp,
  command: (port: number) => readonly [string, ...string[]],
  attempts = 3,
): Promise<number> {
  const port = await freePort();
  try {
    await home.serve(ready, ...command(port));
    return port;
  } catch (error) {
    // Another process may take the free port before the server does.
    if (attempts > 1 && /address already in use/i.test(String(error))) {
      return serveOnFreePort(home, ready, command, attempts - 1);
    }
    throw error;
  }
}

async function freePort(): Promise<number> {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  listener.close();
  await once(listener, 'close');
  return port;
}

// Its standard input is a pipe from this process, with the process group of each running program on a line.
// The pipe ends when this process closes it or dies, by whatever signal. The program is then killed, and the
// directory removed. An orphan that has ended may stay a zombie for a while.
const KEEPER = `
  runs() { kill -s 0 -- "-$group" && ! grep -qs '^State:.*Z' "/proc/$group/status"; }
  while read -r line; do group=$line; done
  if [ -n "$group" ]; then
    kill -s "$2" -- "-$group"
    tries=0
    while runs && [ "$tries" -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
    kill -s KILL -- "-$group"
  fi
  rm -rf -- "$1"
`;

function openServerHome(name: string, stopSignal: string): ServerHome {
  const directory = mkdtempSync(join(temporaryDirectory(), `tcp-keepalive-${name}-`));
  const keeper = spawn('sh', ['-c', KEEPER, 'sh', directory, stopSignal], {
    cwd: '/',
    detached: true, // A Ctrl-C in the terminal is not for it.
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  giveToServer(directory);

  const start = (command: string, args: readonly string[]): LoggedProcess => {
    const child = spawn(command, args, {
      ...serverUser,
      cwd: directory,
      detached: true,
      // When MariaDB starts, it removes the files of others in a shared temporary directory.
      env: { PATH: SEARCH_PATH, LC_ALL: 'C', TMPDIR: directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    keeper.stdin.write(`${child.pid ?? ''}\n`);
    child.once('exit', () => keeper.stdin.writable && keeper.stdin.write('\n'));
    return collectLog(command, child);
  };

  return {
    directory,
    write(name, text) {
      const path = join(directory, name);
      writeFileSync(path, text, { mode: 0o600 });
      giveToServer(path);
      return path;
    },
    async run(command, ...args) {
      const { child, failure } = start(command, args);
      const [code] = await once(child, 'close');
      if (code !== 0) throw failure();
    },
    async serve(ready, command, ...args) {
      const { child, log, failure } = start(command, args);
      await new Promise<void>((resolve, reject) => {
        const check = () => ready.test(log()) && resolve();
        child.stdout?.on('data', check);
        child.stderr?.on('data', check);
        child.once('error', reject);
        child.once('close', () => reject(failure()));
      });
    },
    async close() {
      keeper.stdin.end();
      if (keeper.exitCode === null) await once(keeper, 'exit');
    },
  };
}

interface LoggedProcess {
  child: ChildProcess;
  log(): string;
  failure(): Error;
}

function collectLog(command: string, child: ChildProcess): LoggedProcess {
  let text = '';
  const collect = (chunk: Buffer) => {
    text = (text + chunk).slice(-4000);
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  return {
    child,
    log: () => text,
    failure: () => new Error(`${command} ended with ${child.exitCode ?? child.signalCode}:\n${text}`),
  };
}

function giveToServer(path: string): void {
  if (serverUser !== undefined) chownSync(path, serverUser.uid, serverUser.gid);
}

/** The temporary directory; for root the first that the server's user may enter too. */
function temporaryDirectory(): string {
  const usable = (directory: string) => spawnSync('test', ['-x', directory], serverUser).status === 0;
  return [tmpdir(), '/tmp', '/var/tmp'].find(usable) ?? tmpdir();
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
