import type { Shown } from '../sockets/query.ts';

/** By what connections are counted together. */
export interface GroupLabels {
  readonly process: string;
  /** Whose port: `remote` for connections that the process opened, `local` for those that it accepted. */
  readonly end: 'remote' | 'local';
  readonly port: string;
}

/** Connections that have the same labels. */
export interface Group {
  readonly labels: GroupLabels;
  readonly connections: Shown[];
}

/** The ports of which this machine takes one by itself, first and last. */
export type PortRange = readonly [first: number, last: number];

/** So many groups a Prometheus can keep of each machine. Later ones are counted as one. */
const MOST = 2_000;

/**
 * Groups connections by the name of the process and by the port of the service. The number of groups is bounded, as
 * long as this function is kept: a port that a machine took by itself is never a label.
 */
export function grouping(
  ephemeral: PortRange,
): (connections: readonly Shown[], listening: ReadonlySet<number>) => Group[] {
  const known = new Set<string>();
  const isEphemeral = (port: number) => port >= ephemeral[0] && port <= ephemeral[1];
  const serviceOf = (
    { local, remote }: Shown,
    listening: ReadonlySet<number>,
  ): Omit<GroupLabels, 'process'> => {
    if (listening.has(local.port)) return { end: 'local', port: String(local.port) };
    if (listening.has(remote.port) || !isEphemeral(remote.port))
      return { end: 'remote', port: String(remote.port) };
    // Its listener has been closed.
    if (!isEphemeral(local.port)) return { end: 'local', port: String(local.port) };
    return { end: 'remote', port: 'ephemeral' };
  };
  const bounded = (labels: GroupLabels): [key: string, labels: GroupLabels] => {
    const key = `${labels.port} ${labels.end} ${labels.process}`;
    if (known.size >= MOST && !known.has(key)) return ['', { ...labels, process: 'other', port: 'other' }];
    known.add(key);
    return [key, labels];
  };
  return (connections, listening) => {
    const groups = new Map<string, Group>();
    for (const connection of connections) {
      const process = connection.owner?.name ?? 'unknown';
      const [key, labels] = bounded({ process, ...serviceOf(connection, listening) });
      const name = key === '' ? `other ${labels.end}` : key;
      const group = groups.get(name);
      if (group === undefined) groups.set(name, { labels, connections: [connection] });
      else group.connections.push(connection);
    }
    return [...groups.values()];
  };
}
