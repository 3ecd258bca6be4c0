import { grouped, printable, wrap } from '../../../options/show.ts';
import { formatTime } from '../../../options/words.ts';
import type { Io } from '../../command.ts';
import { labelled, paint, width } from '../../text.ts';
import { cutInMiddle, type Table, tableFor } from './columns.ts';
import type { Counters } from './counters.ts';
import type { FindingKind } from './fate.ts';
import type { Shown } from './query.ts';

/** Everything that is shown at once: the connections in their order, and what the machine does a second. */
export interface Look {
  readonly connections: readonly Shown[];
  readonly rates: Counters;
}

/** How many connections there are, and how many of each kind that matters. */
export interface Summary {
  readonly connections: number;
  readonly withoutKeepalive: number;
  readonly unboundedInFlight: number;
  readonly dyingNow: number;
  /** Those of processes that cannot be looked at. */
  readonly unknown: number;
}

const advice: Readonly<Record<FindingKind, string>> = {
  off: 'keepalive is off: while it is idle, a peer that vanishes is never noticed.',
  systemDefault: "keepalive is on, but at the system's own times.",
  unbounded: 'data in flight has no bound of its own: set userTimeout.',
};

/** Draws a table for each process, then what is wrong, and what there is in all. */
export function draw(io: Io, { connections, rates }: Look): string {
  const table = tableFor(io.columns);
  const head = paint(io, 'dim', table.head());
  const tables = [...byOwner(connections)].map(([owner, own]) => {
    const lines = own.flatMap((each) => linesOf(io, table, each));
    return `${[paint(io, 'bold', cutInMiddle(owner, io.columns)), head, ...lines].join('\n')}\n\n`;
  });
  const texts = [...summary(connections, width(io)), ...ratesText(rates, width(io))];
  return `${tables.join('')}${findings(io, connections)}${texts.join('\n')}\n`;
}

/** The connections of each process, by the text that names it. */
export function byOwner(connections: readonly Shown[]): Map<string, Shown[]> {
  const tables = new Map<string, Shown[]>();
  for (const connection of connections) {
    const name = ownerText(connection);
    const table = tables.get(name);
    if (table === undefined) tables.set(name, [connection]);
    else table.push(connection);
  }
  return tables;
}

export function ownerText({ owner }: Shown): string {
  return owner === undefined ? 'of processes that cannot be seen' : `${printable(owner.name)} ${owner.pid}`;
}

/** A connection, and a line under it if its peer does not answer. */
export function linesOf(io: Io, table: Table, connection: Shown): string[] {
  const { lostIn } = connection.fate;
  const line = table.line(connection);
  return lostIn === undefined
    ? [line]
    : [paint(io, 'red', line), table.remark(`dying: lost in about ${formatTime(lostIn)}`)];
}

function findings(io: Io, connections: readonly Shown[]): string {
  const kinds = Object.keys(advice) as FindingKind[];
  const texts = kinds.flatMap((kind) => {
    const found = connections.filter(({ fate }) => fate.finding === kind);
    if (found.length === 0) return [];
    const label = paint(io, 'yellow', 'warning'.padEnd(9));
    return `${labelled(label, `${counted(found.length)}: ${advice[kind]}`, 9, width(io))}\n`;
  });
  return texts.length === 0 ? '' : `${texts.join('')}\n`;
}

/** How many there are, and how many of them are of each kind that matters. */
export function summaryOf(connections: readonly Shown[]): Summary {
  const count = (matches: (connection: Shown) => boolean) => connections.filter(matches).length;
  return {
    connections: connections.length,
    withoutKeepalive: count(({ options }) => options?.enable === false),
    unboundedInFlight: count(({ options }) => options?.userTimeout === 0),
    dyingNow: count(({ fate }) => fate.lostIn !== undefined),
    unknown: count(({ options, state }) => options === undefined && state !== 'TIME_WAIT'),
  };
}

/** The summary, in lines. */
export function summary(connections: readonly Shown[], columns: number): string[] {
  const { withoutKeepalive, unboundedInFlight, dyingNow, unknown } = summaryOf(connections);
  const text =
    `${counted(connections.length)}: ${grouped(withoutKeepalive)} without keepalive, ` +
    `${grouped(unboundedInFlight)} unbounded in flight, ${grouped(dyingNow)} dying now`;
  return wrap(unknown === 0 ? text : `${text}, ${grouped(unknown)} unknown`, columns);
}

/** The rates of the machine, in lines. */
export function ratesText({ probes, timeouts, aborts }: Counters, columns: number): string[] {
  const text =
    `this machine, a second: ${rate(probes)} probes sent, ${rate(timeouts)} retransmission timeouts, ` +
    `${rate(aborts)} connections given up`;
  return wrap(text, columns);
}

export function counted(number: number): string {
  return `${grouped(number)} ${number === 1 ? 'connection' : 'connections'}`;
}

function rate(perSecond: number): string {
  return perSecond >= 10 ? grouped(perSecond) : String(Number(perSecond.toFixed(1)));
}
