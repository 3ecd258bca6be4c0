import { writeFileSync } from 'node:fs';
import { bench as accepting } from './accepting.ts';
import { bench as failover } from './failover.ts';
import { bench as growing } from './growing.ts';
import { bench as holding } from './holding.ts';
import { bench as importing } from './importing.ts';
import { bench as listing } from './listing.ts';
import { bench as memory } from './memory.ts';
import { bench as predict } from './predict.ts';
import { bench as reading } from './reading.ts';
import { bench as reaping } from './reaping.ts';
import { bench as rules } from './rules.ts';
import { bench as setting } from './setting.ts';
import type { Bench, Row } from './support/bench.ts';
import { machine } from './support/machine.ts';
import { asMarkdown, asText } from './support/table.ts';
import { bench as tcpInfo } from './tcp-info.ts';

const benches: readonly Bench[] = [
  setting,
  reading,
  tcpInfo,
  growing,
  memory,
  holding,
  importing,
  accepting,
  rules,
  predict,
  failover,
  listing,
  reaping,
];

/** Runs every bench, prints its table, and writes all tables to results.md. */
async function main(): Promise<void> {
  const about = machine();
  console.log(`${about.map(([name, value]) => `${name}: ${value}`).join('\n')}\n`);
  const tables: [string, readonly Row[]][] = [];
  for (const { title, run } of benches) {
    const rows = await run();
    console.log(`${asText(title, rows)}\n`);
    tables.push([title, rows]);
  }
  writeFileSync(new URL('results.md', import.meta.url), asMarkdown(about, tables));
  const missed = tables.flatMap(([, rows]) => rows).filter(({ met }) => met === false);
  console.log(missed.length === 0 ? 'Every target is met.' : `Not met: ${missed.length}.`);
}

await main();
