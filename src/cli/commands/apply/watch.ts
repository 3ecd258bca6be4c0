import { setTimeout } from 'node:timers/promises';
import { differs, finishIfHeard, type UnfinishedChange, writeChanges } from '../../../machine/apply.ts';
import type { ProcessChange } from '../../../machine/index.ts';
import { isRunning, type ProcessIdentity } from '../../../machine/process.ts';
import type { Io } from '../../command.ts';
import { untilStopped } from '../../stopped.ts';
import { drawLater } from './drawing.ts';
import { planAll, type Request } from './request.ts';

/** How often is looked for new connections, in milliseconds. */
const LOOK = 1_000;

/**
 * How often one connection is written to: a program may set its own options just after it has connected. What differs
 * after that is meant, by a hold for instance.
 */
const TIMES = 2;

interface Watched {
  /** How often each connection was written to. */
  readonly times: ReadonlyMap<number, number>;
  /** Those whose user timeout is not written yet. */
  readonly waiting: readonly UnfinishedChange[];
}

/** Goes on with connections that are opened later, until the process ends or this one is stopped. */
export async function watch(
  io: Io,
  process: ProcessIdentity,
  request: Request,
  changes: readonly ProcessChange[],
): Promise<void> {
  const { name, pid } = process;
  io.err(`Watching ${name} ${pid} for new connections. Ctrl-C ends it.\n`);
  const stop = untilStopped();
  let watched: Watched = {
    times: new Map(changes.map(({ connection }) => [connection.cookie, TIMES])),
    waiting: [],
  };
  try {
    while (!stop.signal.aborted) {
      await setTimeout(LOOK, undefined, { signal: stop.signal }).catch(() => {});
      watched = await look(io, process, request, watched);
    }
  } catch (error) {
    if (isRunning(process)) throw error;
    io.err(`${name} ${pid} has ended.\n`);
  } finally {
    stop.end();
  }
}

async function look(
  io: Io,
  process: ProcessIdentity,
  request: Request,
  { times, waiting }: Watched,
): Promise<Watched> {
  const finished = waiting.map((change) => finishIfHeard(process, change));
  const isWaiting = new Set(finished.map(({ connection }) => connection.cookie));
  const planned = await planAll(process, request);
  const timesOf = ({ connection }: ProcessChange) => times.get(connection.cookie) ?? 0;
  const due = planned.filter(
    (change) => timesOf(change) < TIMES && !isWaiting.has(change.connection.cookie) && differs(change),
  );
  const written = await writeChanges(process, due, request.settings);
  io.out(written.map((change) => drawLater(io, change)).join(''));
  return {
    times: new Map(
      planned.map((change) => [change.connection.cookie, timesOf(change) + Number(due.includes(change))]),
    ),
    waiting: [...finished, ...written].filter(({ pending }) => pending),
  };
}
