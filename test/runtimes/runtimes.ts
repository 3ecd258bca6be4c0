import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** A JavaScript runtime, by the command that starts it. */
export interface Runtime {
  name: string;
  kind: 'node' | 'bun';
  major: number;
  command: string;
}

const cpu = process.arch === 'arm64' ? 'arm64' : 'x64';
const bunCpu = process.arch === 'arm64' ? 'aarch64' : 'x64';

/**
 * Every supported Node line and Bun. Node 20 is the one that runs this where it can be, since the
 * registry's last plain binary of that line is old.
 */
export function supportedRuntimes(): Runtime[] {
  const nodes = [20, 22, 24, 26].map((major) =>
    process.version.startsWith(`v${major}.`)
      ? describe('node', process.execPath)
      : describe('node', fetchBinary(`node-linux-${cpu}`, `${major}`, 'node')),
  );
  return [...nodes, describe('bun', fetchBinary(`@oven/bun-linux-${bunCpu}`, 'latest', 'bun'))];
}

function describe(kind: Runtime['kind'], command: string): Runtime {
  const version = execFileSync(command, ['--version'], { encoding: 'utf8' }).trim().replace(/^v/, '');
  return {
    name: `${kind === 'node' ? 'Node' : 'Bun'} ${version}`,
    kind,
    major: Number.parseInt(version, 10),
    command,
  };
}

/** The binary inside an npm package, downloaded once and kept outside the tree. */
function fetchBinary(name: string, range: string, binary: string): string {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tcp-keepalive-runtimes');
  const home = join(cache, `${name.replace('/', '+')}@${range}`);
  const command = join(home, 'package', 'bin', binary);
  if (existsSync(command)) return command;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'fetch-'));
  try {
    const archive = npm(
      ['pack', `${name}@${range}`, '--silent', '--pack-destination', scratch],
      tmpdir(),
    ).trim();
    execFileSync('tar', ['-xzf', join(scratch, archive.split('\n').at(-1) ?? ''), '-C', scratch]);
    if (!existsSync(home)) renameSync(scratch, home);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return command;
}

/** Runs npm and returns what it prints. */
export function npm(args: string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
