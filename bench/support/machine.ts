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

function versioned(name: string): string {
  const manifest = readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8');
  return `${name} ${(JSON.parse(manifest) as { version: string }).version}`;
}
