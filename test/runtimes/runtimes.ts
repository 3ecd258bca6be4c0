import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What decides which rows of the matrix are for a runtime. */
export interface RuntimeLine {
  kind: 'node' | 'bun' | 'deno';
  major: number;
  /** Another C library or processor than this machine's. */
  system?: 'musl' | 'arm64';
}

/** A JavaScript runtime, by the command that starts it. */
export interface Runtime extends RuntimeLine {
  name: string;
  /** What a program's file follows. */
  command: readonly string[];
  env?: Readonly<Record<string, string>>;
}

/** A runtime that cannot be tried on this machine. */
export interface Absent {
  name: string;
  reason: string;
}

const NODE_LINES: readonly number[] = [20, 22, 24, 26];

/** The columns of the matrix, as they are documented. */
export const documentedLines: readonly RuntimeLine[] = [
  ...NODE_LINES.map((major) => ({ kind: 'node', major }) as const),
  { kind: 'bun', major: 1 },
  { kind: 'deno', major: 2 },
  { kind: 'bun', major: 1, system: 'musl' },
  { kind: 'node', major: 22, system: 'arm64' },
];

export const COMMON_NAME = { node: 'Node', bun: 'Bun', deno: 'Deno' } as const;

/** Every supported Node line, Bun and Deno. The line of the Node that runs this is that Node itself. */
export function supportedRuntimes(): Runtime[] {
  const nodes = NODE_LINES.map((major) =>
    process.version.startsWith(`v${major}.`)
      ? describe('node', [process.execPath])
      : describe('node', [installed(`node-${major}`, 'bin/node')]),
  );
  return [
    ...nodes,
    describe('bun', [installed('bun', 'bin/bun')]),
    // Deno lets only a program with all permissions list its descriptors.
    describe('deno', [installed('deno', 'deno')], { flags: ['run', '--allow-all'] }),
  ];
}

export function describe(
  kind: Runtime['kind'],
  command: readonly string[],
  { flags = [], ...other }: Pick<Runtime, 'system' | 'env'> & { flags?: readonly string[] } = {},
): Runtime {
  const [program = '', ...args] = command;
  const env = { ...process.env, ...other.env };
  const printed = execFileSync(program, [...args, '--version'], { encoding: 'utf8', env });
  // Deno goes on with the versions of its parts.
  const version = /\d+\.\d+\.\d+/.exec(printed)?.[0] ?? '';
  const name = [COMMON_NAME[kind], version, other.system].filter((part) => part !== undefined).join(' ');
  return { name, kind, major: Number.parseInt(version, 10), command: [...command, ...flags], ...other };
}

/** A file of a package that this folder's package.json names, for this processor. */
function installed(name: string, file: string): string {
  return fileURLToPath(new URL(`node_modules/${name}-${process.arch}/${file}`, import.meta.url));
}

/** Runs npm and returns what it prints. */
export function npm(args: string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
