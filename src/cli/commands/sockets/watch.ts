import { setTimeout } from 'node:timers/promises';
import type { Io } from '../../command.ts';
import { openScreen } from '../../screen.ts';
import { comparable, ratesSince, readCounters } from './counters.ts';
import type { Look } from './drawing.ts';
import { changes, dyingAtFirst, summaryLine } from './log.ts';
import type { Sort } from './order.ts';
import { look, type Query } from './query.ts';
import { frameOf, pressed, type View } from './view.ts';

/** The pause between two looks, in milliseconds; three times as long as a look took, if that is longer. */
const PAUSE = 1_000;

/** How often a log has a summary, in milliseconds. */
const SUMMARY = 60_000;

/** Looks again and again, until the signal is aborted. */
async function* looks(query: Query, signal: AbortSignal): AsyncGenerator<Look> {
  let before = readCounters();
  while (!signal.aborted) {
    const begin = performance.now();
    const connections = await look(query);
    const took = performance.now() - begin;
    await comparable(before);
    const rates = ratesSince(before);
    before = readCounters();
    yield { connections, rates };
    await setTimeout(Math.max(PAUSE, 3 * took), undefined, { signal }).catch(() => {});
  }
}

/** Shows connections on the whole of a terminal, until somebody presses q. */
export async function watchOnScreen(io: Io, query: Query, sort: Sort): Promise<void> {
  const ended = new AbortController();
  let view: View = { sort, top: 0 };
  let page = 1;
  let last: Look | undefined;
  const draw = () => {
    if (last === undefined) return;
    const frame = frameOf({ ...io, columns: screen.columns }, screen.rows, last, view);
    ({ view, page } = frame);
    screen.show(frame.lines);
  };
  const screen = openScreen((key) => {
    const next = pressed(view, key, page);
    if (next === undefined) return ended.abort();
    view = next;
    draw();
  }, draw);
  try {
    for await (const each of looks(query, ended.signal)) {
      if (ended.signal.aborted) return;
      last = each;
      draw();
    }
  } finally {
    screen.close();
  }
}

/** Writes a line for each change, until nobody reads them any more. */
export async function watchAsLog(io: Io, query: Query): Promise<void> {
  let last: Look | undefined;
  let summaryAt = Number.NEGATIVE_INFINITY;
  for await (const each of looks(query, io.closed)) {
    const lines = last === undefined ? dyingAtFirst(each) : changes(last, each);
    if (performance.now() - summaryAt >= SUMMARY) {
      summaryAt = performance.now();
      lines.unshift(`summary  ${summaryLine(each)}`);
    }
    const time = new Date().toISOString();
    io.out(lines.map((line) => `${time} ${line}\n`).join(''));
    last = each;
  }
}

/** Writes each look as a line of JSON. */
export async function watchAsJson(io: Io, query: Query, lineOf: (look: Look) => unknown): Promise<void> {
  for await (const each of looks(query, io.closed)) io.out(`${JSON.stringify(lineOf(each))}\n`);
}
