import { setImmediate } from 'node:timers/promises';
import { decodeTcpInfo, tcpStates } from '#core';
import { bindSockDiag, type Dump, type SockDiag, sockDiag } from '../../native-bindings/sock-diag.ts';
import { textOfIpv4, textOfIpv6 } from '../kernel/address.ts';
import type { LinuxTcpInfo, TcpState } from '../kernel/tcp-info.ts';
import { aBoolean, type Field, optional, readFields, refusal } from '../options/fields.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { listed } from '../options/show.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { koffiHere } from './koffi.ts';
import { addOptions, addOwners, findOwners, type Owner, ownersOf } from './owner.ts';
import { requestFor, type Selection } from './request.ts';

/** Which connections to list. Without any field it is all but listeners. */
export interface ConnectionFilter {
  /** Only those of this process. */
  readonly pid?: number | undefined;
  /** With the `owner` of each, as far as its process may be inspected. @default false, but true with a `pid` or `options` */
  readonly owners?: boolean | undefined;
  /** With the `owner` and the `options` of each, as far as they may be read. @default false, but true with a `pid` */
  readonly options?: boolean | undefined;
  /** Only those whose own end is this port, address or CIDR block: `8080`, `'10.0.0.0/8'`, `'[::1]:8080'`. */
  readonly local?: number | string | undefined;
  /** Only those whose other end is this port, address or CIDR block: `5432`, `'10.0.0.0/8:5432'`. */
  readonly remote?: number | string | undefined;
  /** Only those in this state, or in one of these. `'LISTEN'` lists listeners. */
  readonly state?: TcpState | readonly TcpState[] | undefined;
}

/** A timer of a connection: the next thing that the kernel will do about it by itself. */
export interface ConnectionTimer {
  /**
   * `on`: data is in flight, and will be sent again. `keepalive`: a probe will be sent. `persist`: the peer has no room,
   * and will be asked. `timewait`: the connection has ended, and will be forgotten. The words are those of `ss`.
   */
  readonly kind: 'on' | 'keepalive' | 'timewait' | 'persist';
  /** When it expires, in milliseconds. */
  readonly expires: number;
  /** How often in a row it has expired without an answer: unanswered probes, or retransmissions. */
  readonly unanswered: number;
}

/** A TCP connection of this machine, or more exactly of the network namespace of this process. */
export interface Connection {
  /** Its own end. */
  readonly local: Endpoint;
  /** The other end. */
  readonly remote: Endpoint;
  /** The kernel's state. */
  readonly state: TcpState;
  /** Its running timer. */
  readonly timer?: ConnectionTimer;
  /** Bytes received that the process has not read; on a listener, connections waiting for accept. */
  readonly unread: number;
  /** Bytes that the peer has not acknowledged; on a listener, the length of its queue. */
  readonly unacknowledged: number;
  /** The user id of the process. */
  readonly uid: number;
  /** The number of the socket in `/proc/PID/fd`; 0 if no process has it. */
  readonly inode: number;
  /** The kernel's own number of this socket, which no other ever has: `SO_COOKIE`. */
  readonly cookie: number;
  /** Its `TCP_INFO`. Absent in `TIME_WAIT`. */
  readonly info?: LinuxTcpInfo;
  /** The process that has it, if it was asked for. */
  readonly owner?: Owner;
  /** Its options, if its process was asked for and may be inspected. */
  readonly options?: KeepAliveSettings;
}

/** A connection whose owner is added later. */
type Row = { -readonly [name in keyof Connection]: Connection[name] };

/** Whether the socket with this number is asked for. */
type IsWanted = (inode: number) => boolean;

/** How often a list is asked for that changed while the kernel sent it. */
const TRIES = 5;

const timerKinds = { 1: 'on', 2: 'keepalive', 3: 'timewait', 4: 'persist' } as const;

const aState: Field<TcpState> = (value, name) => {
  if (tcpStates.includes(value as TcpState) && value !== 'UNKNOWN') return value as TcpState;
  throw refusal(`\`${name}\` to be ${listed(tcpStates.slice(1))}`, value);
};

const states: Field<readonly TcpState[]> = (value, name) =>
  Array.isArray(value) ? value.map((each) => aState(each, name)) : [aState(value, name)];

export const aPid: Field<number> = (value, name) => {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw refusal(`\`${name}\` to be the id of a process`, value);
};

const filterFields = {
  pid: optional(aPid),
  owners: optional(aBoolean),
  options: optional(aBoolean),
  local: optional(parseEndpoint),
  remote: optional(parseEndpoint),
  state: optional(states),
};

/**
 * Lists the TCP connections of this machine, as `ss` does: those of every process of this network namespace, of IPv4
 * and IPv6, with the timer and the `TCP_INFO` of each. No privilege is needed. Linux only.
 *
 * The kernel itself looks for `local`, `remote` and `state`. Finding the process of each socket takes most of the time,
 * and reading options as long again, so ask for `owners`, `options` or a `pid` only if they are needed. Processes of
 * other users need the rights of root.
 *
 * @param filter - which connections to list
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, `ERR_KEEPALIVE_UNSUPPORTED`, or the system call's error
 *
 * @example
 * ```ts
 * for (const { remote, timer, options } of await listConnections({ pid: 4711, remote: ':5432' })) {
 *   console.log(remote.address, timer?.unanswered, options?.userTimeout);
 * }
 * ```
 */
export async function listConnections(filter: ConnectionFilter = {}): Promise<Connection[]> {
  const { pid, options, owners, local, remote, state } = readFields(
    'a filter such as { remote: 5432 }',
    filter,
    filterFields,
  );
  diag ??= bindSockDiag(koffiHere());
  const owned = pid === undefined ? undefined : await ownersOf(pid);
  const isWanted: IsWanted = owned === undefined ? () => true : (inode) => owned.has(inode);
  const selection = { states: bitsOf(state), local, remote };
  const ipv4 = await dump(diag, { ...selection, family: sockDiag.AF_INET }, isWanted);
  const ipv6 = await dump(diag, { ...selection, family: sockDiag.AF_INET6 }, isWanted);
  const rows = ipv4.concat(ipv6);
  if (owned !== undefined) addOwners(rows, owned);
  else if (owners || options) await findOwners(rows);
  if (options ?? pid !== undefined) await addOptions(rows);
  return rows;
}

let diag: SockDiag | undefined;

/** A bit for each state. Without any: all but listeners. */
function bitsOf(wanted: readonly TcpState[] | undefined): number {
  const numbers = tcpStates.map((_, number) => number).filter((number) => number > 0);
  const isWanted = (number: number) => {
    const name = tcpStates[number] as TcpState;
    return wanted === undefined ? name !== 'LISTEN' : wanted.includes(name);
  };
  return numbers.filter(isWanted).reduce((bits, number) => bits | (1 << number), 0);
}

/** One list. If it was interrupted, because sockets came or went, it is asked for again. */
async function dump(diag: SockDiag, selection: Selection, isWanted: IsWanted): Promise<Row[]> {
  const request = requestFor(selection);
  for (let tries = 1; ; tries++) {
    const rows: Row[] = [];
    const isInterrupted = await dumpOnce(diag.start(request), diag, isWanted, rows);
    if (!isInterrupted || tries === TRIES) return rows;
  }
}

/** @returns whether the list was interrupted */
async function dumpOnce(list: Dump, diag: SockDiag, isWanted: IsWanted, rows: Row[]): Promise<boolean> {
  let isInterrupted = false;
  try {
    for (;;) {
      const piece = readPiece(diag, list.receive(), isWanted, rows);
      isInterrupted ||= piece.isInterrupted;
      if (piece.isLast) return isInterrupted;
      // A long list would block this process.
      await setImmediate();
    }
  } finally {
    list.close();
  }
}

/** Reads the rows of one piece, in the same tick: the next call overwrites its memory. */
function readPiece(diag: SockDiag, end: number, isWanted: IsWanted, rows: Row[]) {
  const { words } = diag;
  let isInterrupted = false;
  for (let at = 0; at < end; at += alignedLength(words, at)) {
    const kind = (words[(at + 4) >> 2] ?? 0) & 0xffff;
    const flags = (words[(at + 4) >> 2] ?? 0) >>> 16;
    const body = at + sockDiag.HEADER;
    isInterrupted ||= (flags & sockDiag.NLM_F_DUMP_INTR) !== 0;
    if (kind === sockDiag.NLMSG_DONE || kind === sockDiag.NLMSG_ERROR) {
      const errno = -((words[body >> 2] ?? 0) | 0);
      if (errno !== 0) throw diag.refused(errno);
      return { isInterrupted, isLast: true };
    }
    if (isWanted(words[(body + 68) >> 2] ?? 0)) rows.push(rowAt(diag, body, at + (words[at >> 2] ?? 0)));
  }
  return { isInterrupted, isLast: false };
}

function alignedLength(words: Uint32Array, at: number): number {
  return ((words[at >> 2] ?? 0) + 3) & ~3;
}

/** Decodes a `struct inet_diag_msg` and what follows it. */
function rowAt({ bytes, words }: SockDiag, at: number, end: number): Row {
  const word = (offset: number) => words[(at + offset) >> 2] ?? 0;
  const port = (offset: number) => ((bytes[at + offset] ?? 0) << 8) | (bytes[at + offset + 1] ?? 0);
  const textOf = bytes[at] === sockDiag.AF_INET ? textOfIpv4 : textOfIpv6;
  const row: Row = {
    local: { address: textOf(bytes, at + 8), port: port(4) },
    remote: { address: textOf(bytes, at + 24), port: port(6) },
    state: tcpStates[bytes[at + 1] ?? 0] ?? 'UNKNOWN',
    unread: word(56),
    unacknowledged: word(60),
    uid: word(64),
    inode: word(68),
    cookie: word(48) * 2 ** 32 + word(44),
  };
  const kind = timerKinds[bytes[at + 2] as keyof typeof timerKinds];
  if (kind !== undefined) row.timer = { kind, expires: word(52), unanswered: bytes[at + 3] ?? 0 };
  for (let next = at + sockDiag.ROW; next < end; next += ((words[next >> 2] ?? 0) + 3) & 0xfffc) {
    const attribute = words[next >> 2] ?? 0;
    if (attribute >>> 16 === sockDiag.INET_DIAG_INFO) {
      row.info = decodeTcpInfo(words, bytes, (attribute & 0xffff) - 4, next + 4);
    }
  }
  return row;
}
