import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A JavaScript runtime, by the command that starts it. */
export interface Runtime {
  name: string;
  kind: 'node' | 'bun';
  major: number;
  command: string;
}

/** Every supported Node line and Bun. The line of the Node that runs this is that Node itself. */
export function supportedRuntimes(): Runtime[] {
  const nodes = [20, 22, 24, 26].map((major) =>
    process.version.startsWith(`v${major}.`)
      ? describe('node', process.execPath)
      : describe('node', installed(`node-${major}`, 'node')),
  );
  return [...nodes, describe('bun', installed('bun', 'bun'))];
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

/** The binary of a package that this folder's package.json names, for this processor. */
function installed(name: string, binary: string): string {
  return fileURLToPath(new URL(`node_modules/${name}-${process.arch}/bin/${binary}`, import.meta.url));
}

/** Runs npm and returns what it prints. */
export function npm(args: string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
