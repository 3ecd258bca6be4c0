import { endText } from '../../../machine/endpoint.ts';
import type { Connection } from '../../../machine/index.ts';
import type { KeepAliveSettings } from '../../../options/options.ts';
import { printable } from '../../../options/show.ts';
import { formatTime } from '../../../options/words.ts';
import type { Sort } from './order.ts';
import type { Shown } from './query.ts';

interface Column {
  readonly head: string;
  readonly sort?: Sort;
  /** How many characters it has; less than 0 if they stand at its right. */
  readonly wide: number;
  cell(connection: Shown): string;
}

/** The peer's column takes the room that is left, between these. */
const PEER = { least: 15, most: 47 };

const peer: Column = { head: 'peer', sort: 'peer', wide: PEER.least, cell: (each) => printable(endOf(each)) };

const others: readonly Column[] = [
  { head: 'state', sort: 'state', wide: 6, cell: ({ state }) => stateNames[state] ?? state.toLowerCase() },
  { head: 'rtt', sort: 'rtt', wide: -5, cell: ({ info }) => (info === undefined ? '' : roundTrip(info.rtt)) },
  { head: 'options', wide: 16, cell: optionsOf },
  { head: 'next', sort: 'next', wide: 11, cell: next },
  { head: '?', sort: 'unanswered', wide: -2, cell: ({ timer }) => String(timer?.unanswered || '') },
  { head: 'idle', sort: 'idle', wide: -6, cell: ({ fate }) => timeOf(fate.idle) },
  { head: 'sent', sort: 'sent', wide: -6, cell: ({ fate }) => timeOf(fate.sent) },
];

/** These give way, one after the other, if a terminal is too narrow for all. */
const expendable: readonly string[] = ['rtt', 'state', 'next', 'options'];

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

/** The lines of a table that is as wide as a terminal. */
export interface Table {
  /** The names of the columns; that by which it is ordered is marked. */
  head(sort?: Sort): string;
  line(connection: Shown): string;
  /** A remark under a line. */
  remark(text: string): string;
}

export function tableFor(wide: number): Table {
  const columns = columnsFor(wide);
  const row = (textOf: (column: Column) => string) =>
    columns
      .map((column) => fitted(textOf(column), column.wide))
      .join(' ')
      .trimEnd();
  return {
    head: (sort) => row(({ head, sort: own }) => (sort !== undefined && own === sort ? `${head}▾` : head)),
    line: (connection) => row(({ cell }) => cell(connection)),
    remark: (text) => cutInMiddle(`  ${text}`, wide),
  };
}

function columnsFor(wide: number): Column[] {
  const columns = [peer, ...others];
  const spare = () => wide - columns.reduce((sum, column) => sum + 1 + Math.abs(column.wide), -1);
  for (const name of expendable) {
    if (spare() < 0)
      columns.splice(
        columns.findIndex(({ head }) => head === name),
        1,
      );
  }
  const room = Math.max(1, Math.min(PEER.most, PEER.least + spare()));
  return [{ ...peer, wide: room }, ...columns.slice(1)];
}

function fitted(text: string, wide: number): string {
  const cut = cutInMiddle(text, Math.abs(wide));
  return wide < 0 ? cut.padStart(-wide) : cut.padEnd(wide);
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

function next({ timer }: Connection): string {
  return timer === undefined ? '' : `${timers[timer.kind]} ${shortTime(timer.expires)}`;
}

/** A time in five characters: to a tenth of a second, and to a second from ten on. */
function shortTime(ms: number): string {
  return ms < 10_000 ? `${Number((ms / 1_000).toFixed(1))}s` : formatTime(Math.round(ms / 1_000) * 1_000);
}

/** A round trip in five characters. It is 0 before there was any. */
function roundTrip(ms: number): string {
  if (ms === 0) return '';
  if (ms < 1) return `${Math.round(ms * 1_000)}us`;
  return ms < 10 ? `${Number(ms.toFixed(1))}ms` : formatTime(Math.round(ms));
}

export function optionsOf({ options, state }: Connection): string {
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
