import { readFileSync } from 'node:fs';
import os from 'node:os';

/** What the numbers depend on. */
export function machine(): [name: string, value: string][] {
  const cpus = os.cpus();
  return [
    ['processor', `${cpus[0]?.model ?? 'unknown'}, ${cpus.length} cores`],
    ['system', `${os.type()} ${os.release()} ${os.arch()}`],
    ['node', `${process.version}, V8 ${process.versions.v8}`],
    ['packages', ['koffi', 'sockopt', 'net-keepalive'].map(versioned).join(', ')],
  ];
}

/** koffi is the package's own; what it is compared with is installed for the bench alone. */
function versioned(name: string): string {
  const folder = name === 'koffi' ? '../..' : '..';
  const manifest = readFileSync(
    new URL(`${folder}/node_modules/${name}/package.json`, import.meta.url),
    'utf8',
  );
  return `${name} ${(JSON.parse(manifest) as { version: string }).version}`;
}
