import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { atMost, type Bench, milliseconds, type Row, times } from './support/bench.ts';
import { pinning } from './support/child.ts';
import { median } from './support/interleave.ts';
import { builtEntry } from './support/library.ts';

const RUNS = 21;
const LIMIT_MS = 5;
/** What koffi took on the machine for which the limit was set. A slower one is slower for both. */
const KOFFI_MS = 15;

interface Import {
  readonly took: number;
  /** Whether koffi's binary is among the process's libraries. */
  readonly hasKoffi: boolean;
}

// What Node needs for a first module from a file, and for its own net, is no doing of the package.
const first = new URL('support/first-module.mjs', import.meta.url).href;

export const bench: Bench = {
  title: 'Importing, in a new process that has imported node:net',
  async run() {
    const { resolve } = createRequire(import.meta.url);
    const peers = ['koffi', 'sockopt', 'net-keepalive'];
    const [ours, ...theirs] = importTimes([builtEntry, ...peers.map((name) => resolve(name))]);
    const [koffi] = theirs;
    if (ours === undefined || koffi === undefined) throw new Error('nothing was imported');
    const loaded = ours.some(({ hasKoffi }) => hasKoffi);
    return [
      atMost('tcp-keepalive', middle(ours), LIMIT_MS, milliseconds),
      atMost('  by what koffi takes', median(ratios(ours, koffi)), LIMIT_MS / KOFFI_MS, times),
      { what: 'koffi loaded by it', measured: loaded ? 'yes' : 'no', target: 'no', met: !loaded },
      ...theirs.map((times, i): Row => ({ what: peers[i] ?? '', measured: milliseconds(middle(times)) })),
    ];
  },
};

/** Imports each in turn, again and again. */
function importTimes(entries: readonly string[]): Import[][] {
  const times = entries.map((): Import[] => []);
  for (let run = 0; run < RUNS; run++) {
    entries.forEach((entry, i) => {
      times[i]?.push(importOnce(entry));
    });
  }
  return times;
}

// Plain JavaScript and plain Node: the loader of this bench would take part in what it measures.
function importOnce(entry: string): Import {
  const url = entry.startsWith('file:') ? entry : pathToFileURL(entry).href;
  const program = `
    await import(${JSON.stringify(first)});
    const start = performance.now();
    await import(${JSON.stringify(url)});
    const took = performance.now() - start;
    process.report.excludeNetwork = true;
    const hasKoffi = process.report.getReport().sharedObjects.some((path) => path.includes('koffi'));
    console.log(JSON.stringify({ took, hasKoffi }));`;
  const [command = '', ...args] = [...pinning(), process.execPath, '--input-type=module', '--eval', program];
  const child = spawnSync(command, args);
  return JSON.parse(child.stdout.toString()) as Import;
}

/** Run by run, because a machine may be slower in some than in others. */
function ratios(ours: readonly Import[], theirs: readonly Import[]): number[] {
  return ours.map(({ took }, run) => took / (theirs[run]?.took ?? Number.NaN));
}

function middle(times: readonly Import[]): number {
  return median(times.map(({ took }) => took));
}
