import { setImmediate } from 'node:timers/promises';
import {
  type Connection,
  type ConnectionFilter,
  listConnections,
  type TcpState,
} from '../../../machine/index.ts';
import { parseWhole } from '../../../options/words.ts';
import type { ParsedArguments } from '../../command.ts';
import { predictable, readSystem } from '../../system.ts';
import { UsageError } from '../../usage-error.ts';
import { type Fate, fateOf, predictor } from './fate.ts';

/** A connection, and what will happen to it. */
export interface Shown extends Connection {
  readonly fate: Fate;
}

/** Which connections are asked for. */
export interface Query {
  readonly filters: readonly ConnectionFilter[];
  readonly name: string | undefined;
}

/** The options by which connections are chosen. */
export const choices = {
  pid: 'string',
  name: 'string',
  port: 'string',
  remote: 'string',
  state: 'string',
} as const;

/** Connections in `TIME_WAIT` have ended, and nothing can be lost of them. */
const unended: readonly TcpState[] = [
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'CLOSE_WAIT',
  'LAST_ACK',
  'CLOSING',
];

/** How many fates are predicted before other code may run. */
const STEP = 256;

export function queryOf(given: ParsedArguments): Query {
  const filter: ConnectionFilter = {
    options: true,
    pid: given.parsed('pid', parseWhole),
    remote: given.value('remote'),
    state: given.parsed('state', parseState) ?? unended,
  };
  const port = given.parsed('port', parseWhole);
  return { filters: port === undefined ? [filter] : portFilters(filter, port), name: given.value('name') };
}

/** All connections that have not ended, or those of one process. */
export function queryOfProcess(pid: number | undefined): Query {
  return { filters: [{ options: true, pid, state: unended }], name: undefined };
}

/** The kernel compares one end at a time. */
function portFilters(filter: ConnectionFilter, port: number): ConnectionFilter[] {
  if (filter.remote !== undefined) {
    throw new UsageError(`Expected --port or --remote, got both; write --remote ${filter.remote}:${port}`);
  }
  return [
    { ...filter, local: port },
    { ...filter, remote: port },
  ];
}

function parseState(_flag: string, text: string): TcpState {
  const name = text.toUpperCase().replaceAll('-', '_');
  return (name === 'ESTAB' ? 'ESTABLISHED' : name) as TcpState;
}

/** Lists the connections, and predicts what will happen to each. */
export async function look({ filters, name }: Query): Promise<Shown[]> {
  const found = new Map<number, Connection>();
  for (const filter of filters) {
    for (const connection of await listConnections(filter)) found.set(connection.cookie, connection);
  }
  const predict = predictor(predictable(await readSystem()) ?? {});
  const shown: Shown[] = [];
  for (const connection of found.values()) {
    if (name !== undefined && connection.owner?.name !== name) continue;
    if (shown.length % STEP === 0) await setImmediate();
    shown.push({ ...connection, fate: fateOf(connection, predict) });
  }
  return shown;
}
