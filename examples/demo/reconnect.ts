import { readFileSync } from 'node:fs';
import { setInterval } from 'node:timers/promises';
import { predictDetection } from 'tcp-keepalive';
import type { Failover } from '../../test/helpers/failover.ts';
import { duration } from './duration.ts';
import type { DemoPool } from './pools.ts';
import type { Cell, Screen } from './screen.ts';
import { PATIENCE, type Watch } from './watch.ts';

/** When the name is given to the other server, in milliseconds. */
const MOVE_AFTER = 5_000;

/** A pool that connects to a server that has vanished. */
interface Reconnection extends Watch {
  /** When a query was answered, in milliseconds; undefined before. */
  answered(): number | undefined;
}

/** Lets each pool connect to a server that has vanished, and whose name another server gets meanwhile. */
export async function reconnect(
  pools: readonly DemoPool[],
  failover: Failover,
  screen: Screen,
  signal: AbortSignal,
): Promise<readonly Watch[]> {
  failover.vanish();
  const started = performance.now();
  const watches = pools.map((pool) => watchConnecting(pool));
  screen.row(
    '',
    pools.map(({ name }): Cell => ({ text: name, tone: 'strong' })),
  );
  screen.row(
    'predicted',
    watches.map(({ expected }) => ({ text: `tries for ${duration(expected.nominal)}` })),
  );
  screen.row(duration(0), [{ text: 'the server has vanished, and each pool connects to it by name' }]);
  let hasMoved = false;
  for await (const _ of setInterval(100, undefined, { signal })) {
    const elapsed = performance.now() - started;
    if (elapsed > MOVE_AFTER && !hasMoved) {
      hasMoved = true;
      failover.move();
      screen.row(duration(elapsed), [{ text: 'the name now belongs to another server, which answers' }]);
    }
    if (elapsed > PATIENCE || watches.some((watch) => watch.answered() !== undefined)) break;
    screen.live(
      duration(elapsed),
      watches.map(() => ({ text: 'connecting', tone: 'quiet' })),
    );
  }
  for (const moment of ['noticed', 'answered'] as const) showAt(moment, watches, screen);
  return watches;
}

/** Sends a query, and again as soon as one has failed, as a service does. */
function watchConnecting({ pool, held = {} }: DemoPool): Reconnection {
  const tcpSynRetries = Number(readFileSync('/proc/sys/net/ipv4/tcp_syn_retries', 'utf8'));
  const started = performance.now();
  let noticed: { after: number; code: string } | undefined;
  let answered: number | undefined;
  const query = (): Promise<void> =>
    pool.query('select now()').then(
      () => {
        answered = performance.now() - started;
      },
      (error: Error & { code?: string }) => {
        noticed ??= { after: performance.now() - started, code: error.code ?? error.message };
        return pool.ending ? undefined : query();
      },
    );
  query();
  return {
    expected: predictDetection(held, { tcpSynRetries }).connecting,
    unanswered: () => 0,
    noticed: () => noticed,
    answered: () => answered,
  };
}

function showAt(moment: 'noticed' | 'answered', watches: readonly Reconnection[], screen: Screen): void {
  const times = watches.map((watch) => (moment === 'noticed' ? watch.noticed()?.after : watch.answered()));
  const cells = watches.map((watch, i): Cell => {
    if (times[i] === undefined) return { text: 'still connecting', tone: 'quiet' };
    return moment === 'answered'
      ? { text: 'answered', tone: 'good' }
      : { text: `gives up: ${watch.noticed()?.code}` };
  });
  screen.row(duration(Math.max(...times.map((time) => time ?? 0))), cells);
}
