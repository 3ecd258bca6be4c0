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

let programs = 0;

/**
 * Runs a program of a guide, the first ```ts block under a heading, as a reader would who has copied it. Presets
 * are replaced by options with short times.
 *
 * @param environment - the variables that it reads. They are written into it, so that tests may run at once
 * @param replaced - other texts of it that are replaced, such as a port
 * @returns what it exports
 */
export async function runProgram<T>(
  guide: string,
  heading: string,
  environment: Readonly<Record<string, string>>,
  replaced: Readonly<Record<string, string>> = {},
): Promise<T> {
  let text = programUnder(guide, heading).replaceAll(
    /'(database|fastFailover|websocket|bulk)'/g,
    JSON.stringify(quick),
  );
  for (const [name, value] of Object.entries(environment)) {
    text = text.replaceAll(`process.env.${name}`, JSON.stringify(value));
  }
  for (const [from, to] of Object.entries(replaced)) text = text.replaceAll(from, to);
  // Nest's decorators are those of before the standard.
  const tsconfigRaw = { compilerOptions: { experimentalDecorators: true } };
  return imported(transformSync(text, { loader: 'ts', tsconfigRaw }).code);
}

function programUnder(guide: string, heading: string): string {
  const [, section = ''] = readFileSync(new URL(guide, guides), 'utf8').split(`\n## ${heading}\n`);
  const program = /^```ts[^\n]*\n(.*?)^```$/ms.exec(section.split('\n## ')[0] ?? '')?.[1];
  if (program === undefined) throw new Error(`There is no program under ## ${heading} in ${guide}`);
  return program;
}

/** Imports a text from beside node_modules, where its own imports are found. */
async function imported<T>(text: string): Promise<T> {
  const directory = new URL('.programs/', folder);
  const file = new URL(`${process.pid}-${programs++}.js`, directory);
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, text);
  try {
    return await import(file.href);
  } finally {
    rmSync(file);
  }
}
