import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { transformSync } from 'esbuild';
import { quick } from '../helpers/driver-under-test.ts';

const folder = new URL('./', import.meta.url);
const guides = new URL('../../docs/guides/', folder);

/** Packages that the guides name, if they are installed. */
export const packages = {
  missing: (): string | undefined =>
    existsSync(new URL('node_modules/.package-lock.json', folder))
      ? undefined
      : 'the packages of the guides are not installed: npm ci --prefix test/guides',
};

/** What is changed in a program before it runs. */
interface Changes {
  /** The variables that it reads. They are written into it, so that tests may run at once. */
  environment?: Readonly<Record<string, string>>;
  /** Other texts of it, such as a port. */
  replaced?: Readonly<Record<string, string>>;
  /** Which program it is, of those under its heading. */
  index?: number;
}

/**
 * Runs a program of a guide, a ```ts block under a heading, as a reader would who has copied it. Presets are
 * replaced by options with short times.
 *
 * @returns what it exports
 */
export async function runProgram<T>(guide: string, heading: string, changes: Changes): Promise<T> {
  return withProgram(guide, heading, changes, (file) => import(file.href));
}

let programs = 0;

/** Writes a program of a guide into a file for as long as `use` needs it. */
export async function withProgram<T>(
  guide: string,
  heading: string,
  { environment = {}, replaced = {}, index = 0 }: Changes,
  use: (file: URL) => Promise<T>,
): Promise<T> {
  let text = programUnder(guide, heading, index).replaceAll(
    /'(database|fastFailover|websocket|bulk)'/g,
    JSON.stringify(quick),
  );
  for (const [name, value] of Object.entries(environment)) {
    text = text.replaceAll(`process.env.${name}`, JSON.stringify(value));
  }
  for (const [from, to] of Object.entries(replaced)) text = text.replaceAll(from, to);
  // Nest's decorators are those of before the standard.
  const tsconfigRaw = { compilerOptions: { experimentalDecorators: true } };
  // Beside node_modules, where its imports are found.
  const directory = new URL('.programs/', folder);
  const file = new URL(`${process.pid}-${programs++}.js`, directory);
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, transformSync(text, { loader: 'ts', tsconfigRaw }).code);
  try {
    return await use(file);
  } finally {
    rmSync(file);
  }
}

function programUnder(guide: string, heading: string, index: number): string {
  const [, section = ''] = readFileSync(new URL(guide, guides), 'utf8').split(`\n## ${heading}\n`);
  const found = [...(section.split('\n## ')[0] ?? '').matchAll(/^```ts\b[^\n]*\n(.*?)^```$/gms)];
  const program = found[index]?.[1];
  if (program === undefined) throw new Error(`There is no such program under ## ${heading} in ${guide}`);
  return program;
}
