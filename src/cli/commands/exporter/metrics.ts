import type { Counters } from '../sockets/counters.ts';
import { type Summary, summaryOf } from '../sockets/drawing.ts';
import type { Shown } from '../sockets/query.ts';
import type { Group } from './groups.ts';
import type { Metric, Sample } from './text-format.ts';

/** Before every name, so that none is mistaken for a metric that a process reports of itself. */
const PREFIX = 'tcp_keepalive_machine_';

/** Everything that one scrape reports. */
export interface Measured {
  readonly groups: readonly Group[];
  readonly counters: Counters;
  /** How long it took to look, in milliseconds. */
  readonly took: number;
}

const counts: readonly { name: string; of: Exclude<keyof Summary, 'connections'>; help: string }[] = [
  {
    name: 'connections_without_keepalive',
    of: 'withoutKeepalive',
    help: 'TCP connections with keepalive off.',
  },
  {
    name: 'connections_unbounded_in_flight',
    of: 'unboundedInFlight',
    help: 'TCP connections without a user timeout, whose data in flight is given up after about 15 minutes.',
  },
  {
    name: 'connections_dying',
    of: 'dyingNow',
    help: 'TCP connections whose peer leaves probes or data unanswered.',
  },
  { name: 'connections_unknown', of: 'unknown', help: 'TCP connections whose options may not be read.' },
];

const longest: readonly { name: string; of: 'idle' | 'sent'; help: string }[] = [
  {
    name: 'detection_idle_max_seconds',
    of: 'idle',
    help: 'The longest predicted time until a vanished peer of an idle TCP connection is noticed.',
  },
  {
    name: 'detection_sent_max_seconds',
    of: 'sent',
    help: 'The longest predicted time until a vanished peer is noticed after data was sent.',
  },
];

const totals: readonly { name: string; of: keyof Counters; help: string }[] = [
  {
    name: 'probes_sent_total',
    of: 'probes',
    help: 'Keepalive probes of this network namespace (TCPKeepAlive).',
  },
  {
    name: 'retransmission_timeouts_total',
    of: 'timeouts',
    help: 'Retransmission timeouts of this network namespace (TCPTimeouts).',
  },
  {
    name: 'connections_given_up_total',
    of: 'aborts',
    help: 'TCP connections of this network namespace that were given up (TCPAbortOnTimeout).',
  },
];

export function metricsOf({ groups, counters, took }: Measured): Metric[] {
  const perGroup = (name: string, help: string, measure: (group: Group) => number | undefined): Metric => ({
    name: PREFIX + name,
    type: 'gauge',
    help,
    samples: groups.flatMap((group): Sample[] => {
      const value = measure(group);
      return value === undefined ? [] : [{ labels: { ...group.labels }, value }];
    }),
  });
  const alone = (name: string, type: Metric['type'], help: string, value: number): Metric => ({
    name: PREFIX + name,
    type,
    help,
    samples: [{ labels: {}, value }],
  });
  const summaries = new Map(groups.map((group) => [group, summaryOf(group.connections)]));
  return [
    {
      name: `${PREFIX}connections`,
      type: 'gauge',
      help: 'TCP connections by state.',
      samples: byState(groups),
    },
    ...counts.map(({ name, of, help }) => perGroup(name, help, (group) => summaries.get(group)?.[of])),
    perGroup('probes_unanswered', 'Keepalive probes that are unanswered now.', ({ connections }) =>
      sum(connections, ({ timer }) => (timer?.kind === 'keepalive' ? timer.unanswered : 0)),
    ),
    ...longest.map(({ name, of, help }) =>
      perGroup(name, help, ({ connections }) => longestOf(connections, of)),
    ),
    ...totals.map(({ name, of, help }) => alone(name, 'counter', help, counters[of])),
    alone('look_duration_seconds', 'gauge', 'The time that it took to list the connections.', took / 1_000),
  ];
}

function byState(groups: readonly Group[]): Sample[] {
  return groups.flatMap(({ labels, connections }) => {
    const states = new Map<string, number>();
    for (const { state } of connections) states.set(state, (states.get(state) ?? 0) + 1);
    return [...states].map(([state, value]) => ({ labels: { ...labels, state }, value }));
  });
}

function longestOf(connections: readonly Shown[], of: 'idle' | 'sent'): number | undefined {
  let longest: number | undefined;
  for (const { fate } of connections) {
    const time = fate[of];
    if (time !== undefined && time > (longest ?? -1)) longest = time;
  }
  return longest === undefined ? undefined : longest / 1_000;
}

function sum(connections: readonly Shown[], measure: (connection: Shown) => number): number {
  return connections.reduce((total, each) => total + measure(each), 0);
}
