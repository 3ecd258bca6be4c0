import { endText } from '../../../machine/endpoint.ts';
import type { Connection } from '../../../machine/index.ts';
import type { KeepAliveSettings } from '../../../options/options.ts';
import { wrap } from '../../../options/show.ts';
import type { Io } from '../../command.ts';
import { grouped, labelled, paint, width } from '../../text.ts';
import { formatTime } from '../../values.ts';
import type { Counters } from './counters.ts';
import type { Fate, FindingKind } from './fate.ts';

/** A connection, and what will happen to it. */
export interface Shown extends Connection {
  readonly fate: Fate;
}

/** Everything that is shown at once. */
export interface Screen {
  readonly connections: readonly Shown[];
  readonly rates: Counters;
}

const columns = [
  { head: 'peer', wide: 21 },
  { head: 'state', wide: 6 },
  { head: 'rtt', wide: -5 },
  { head: 'options', wide: 16 },
  { head: 'next', wide: 11 },
  { head: '?', wide: -2 },
  { head: 'idle', wide: -6 },
  { head: 'sent', wide: -6 },
] as const;

export const stateNames: Readonly<Partial<Record<Connection['state'], string>>> = {
  ESTABLISHED: 'estab',
  SYN_SENT: 'syn',
  SYN_RECV: 'synrcv',
  NEW_SYN_RECV: 'synrcv',
  FIN_WAIT1: 'finw1',
  FIN_WAIT2: 'finw2',
  TIME_WAIT: 'timew',
  CLOSE: 'close',
  CLOSE_WAIT: 'closew',
  LAST_ACK: 'lastak',
  LISTEN: 'listen',
  CLOSING: 'closng',
};

const timers = { on: 'retry', keepalive: 'probe', timewait: 'end', persist: 'window' } as const;

const advice: Readonly<Record<FindingKind, string>> = {
  off: 'keepalive is off: while it is idle, a peer that vanishes is never noticed.',
  systemDefault: "keepalive is on, but at the system's own times.",
  unbounded: 'data in flight has no bound of its own: set userTimeout.',
};

/** Draws a table for each process, then what is wrong, and what there is in all. */
export function draw(io: Io, { connections, rates }: Screen): string {
  const head = paint(io, 'dim', row(columns.map(({ head }) => head)));
  const tables = [...byOwner(connections)].map(
    ([owner, own]) => `${paint(io, 'bold', owner)}\n${head}\n${own.map((each) => line(io, each)).join('')}\n`,
  );
  return `${tables.join('')}${findings(io, connections)}${summary(io, connections, rates)}`;
}

function byOwner(connections: readonly Shown[]): Map<string, Shown[]> {
  const tables = new Map<string, Shown[]>();
  for (const connection of connections) {
    const { owner } = connection;
    const name = owner === undefined ? 'of processes that cannot be seen' : `${owner.name} ${owner.pid}`;
    const table = tables.get(name);
    if (table === undefined) tables.set(name, [connection]);
    else table.push(connection);
  }
  return tables;
}

function line(io: Io, connection: Shown): string {
  const { state, info, timer, fate } = connection;
  const isDying = fate.lostIn !== undefined;
  const text = row([
    endOf(connection),
    stateNames[state] ?? state.toLowerCase(),
    info === undefined || info.rtt === 0 ? '' : formatRtt(info.rtt),
    optionsOf(connection),
    timer === undefined ? '' : `${timers[timer.kind]} ${shortTime(timer.expires)}`,
    timer === undefined || timer.unanswered === 0 ? '' : String(timer.unanswered),
    timeOf(fate.idle),
    timeOf(fate.sent),
  ]);
  const lost = isDying ? `${' '.repeat(22)}dying: lost in about ${formatTime(fate.lostIn)}\n` : '';
  return `${isDying ? paint(io, 'red', text) : text}\n${lost}`;
}

function row(cells: readonly string[]): string {
  return columns
    .map(({ wide }, i) => {
      const text = cutInMiddle(cells[i] ?? '', Math.abs(wide));
      return wide < 0 ? text.padStart(-wide) : text.padEnd(wide);
    })
    .join(' ')
    .trimEnd();
}

/** Text that fits, with its beginning and its end. */
export function cutInMiddle(text: string, wide: number): string {
  if (text.length <= wide) return text;
  const end = Math.floor((wide - 1) / 2);
  return `${text.slice(0, wide - 1 - end)}…${text.slice(text.length - end)}`;
}

/** The other end, or the own one of a listener. */
export function endOf({ state, local, remote }: Connection): string {
  return endText(state === 'LISTEN' ? local : remote);
}

/** A time in five characters: to a tenth of a second, and to a second from ten on. */
function shortTime(ms: number): string {
  return ms < 10_000 ? `${Number((ms / 1_000).toFixed(1))}s` : formatTime(Math.round(ms / 1_000) * 1_000);
}

function formatRtt(ms: number): string {
  return ms < 1 ? `${Math.round(ms * 1_000)}us` : formatTime(ms);
}

function optionsOf({ options, state }: Connection): string {
  if (options === undefined) return state === 'TIME_WAIT' ? '' : 'unknown';
  return timersText(options);
}

/** Options in short: `initialDelay/interval/count userTimeout`, or `off`. */
export function timersText(options: KeepAliveSettings): string {
  const { enable, initialDelay = 0, interval = 0, count, userTimeout = 0 } = options;
  const keepalive = enable ? `${formatTime(initialDelay)}/${formatTime(interval)}/${count}` : 'off';
  return userTimeout === 0 ? keepalive : `${keepalive} ${formatTime(userTimeout)}`;
}

function timeOf(time: number | undefined): string {
  return time === undefined ? '' : formatTime(time);
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
export function summaryOf(connections: readonly Shown[]): Readonly<Record<string, number>> {
  const count = (matches: (connection: Shown) => boolean) => connections.filter(matches).length;
  return {
    connections: connections.length,
    withoutKeepalive: count(({ options }) => options?.enable === false),
    unboundedInFlight: count(({ options }) => options?.userTimeout === 0),
    dyingNow: count(({ fate }) => fate.lostIn !== undefined),
    unknown: count(({ options, state }) => options === undefined && state !== 'TIME_WAIT'),
  };
}

function summary(io: Io, connections: readonly Shown[], rates: Counters): string {
  const { withoutKeepalive, unboundedInFlight, dyingNow } = summaryOf(connections);
  const text =
    `${counted(connections.length)}: ${withoutKeepalive} without keepalive, ${unboundedInFlight} unbounded in flight, ` +
    `${dyingNow} dying now`;
  const machine =
    `this machine, a second: ${rate(rates.probes)} probes sent, ${rate(rates.timeouts)} retransmission timeouts, ` +
    `${rate(rates.aborts)} connections given up`;
  return [text, machine]
    .flatMap((each) => wrap(each, width(io)))
    .join('\n')
    .concat('\n');
}

export function counted(number: number): string {
  return `${grouped(number)} ${number === 1 ? 'connection' : 'connections'}`;
}

function rate(perSecond: number): string {
  return perSecond >= 10 ? grouped(perSecond) : String(Number(perSecond.toFixed(1)));
}
