import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The addon of floor.c, "the floor" in the tables: what no way from JavaScript to these calls can beat. */
export interface Floor {
  set(fd: number, enable: number, idle: number, interval: number, count: number, userTimeout: number): number;
  get(fd: number, into: Int32Array): number;
  tcpInfo(fd: number, into: Int32Array): number;
}

/** Where the addon was built, or why it could not be. */
export type BuiltFloor = { readonly path: string } | { readonly reason: string };

let built: BuiltFloor | undefined;

/** Compiles the addon once, into a temporary directory that is gone when the process ends. */
export function buildFloor(): BuiltFloor {
  built ??= compile();
  return built;
}

export function loadFloor(path: string): Floor {
  return createRequire(import.meta.url)(path) as Floor;
}

function compile(): BuiltFloor {
  if (process.platform !== 'linux') return { reason: 'the addon is written for Linux' };
  const headers = headerDirectory();
  if (headers === undefined) return { reason: "no headers beside Node's binary" };
  const directory = mkdtempSync(join(tmpdir(), 'tcp-keepalive-floor-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'floor.node');
  const source = fileURLToPath(new URL('floor.c', import.meta.url));
  const cc = spawnSync('cc', ['-O2', '-shared', '-fPIC', '-Wall', `-I${headers}`, source, '-o', path]);
  if (cc.error !== undefined) return { reason: 'no C compiler' };
  return cc.status === 0 ? { path } : { reason: `cc: ${cc.stderr.toString().split('\n', 1)[0]}` };
}

function headerDirectory(): string | undefined {
  const besideNode = join(dirname(realpathSync(process.execPath)), '..', 'include', 'node');
  const places = [besideNode, '/usr/include/node', '/usr/local/include/node'];
  return places.find((place) => existsSync(join(place, 'node_api.h')));
}
