/** Metrics of keepalive for Prometheus, by prom-client. @module tcp-keepalive/prometheus */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { detectionBuckets, keepAliveStats } from '#core';
import { onDetection } from './detection-times.ts';
import type { KeepAliveStats } from './stats.ts';

type Sample = readonly [value: number, labels?: Record<string, string>];

const counters: readonly {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
  read(stats: KeepAliveStats): readonly Sample[];
}[] = [
  {
    name: 'connection_set_total',
    help: 'Connections to which keepalive options were written.',
    read: ({ set }) => [[set]],
  },
  {
    name: 'connection_restored_total',
    help: 'Foreign changes that holds have undone or kept away.',
    read: ({ restored }) => [[restored]],
  },
  {
    name: 'connection_skipped_total',
    help: 'Connections that had to do without some options.',
    read: ({ skipped }) => [[skipped]],
  },
  {
    name: 'connection_lost_total',
    help: 'Connections whose peer no longer answered.',
    labelNames: ['timer'],
    read: ({ lost }) => Object.entries(lost).map(([timer, count]) => [count, { timer }]),
  },
  {
    name: 'rule_hits_total',
    help: 'Connections and listeners that a rule was for.',
    labelNames: ['rule'],
    read: ({ rules }) => rules.map(({ rule, hits }) => [hits, { rule }]),
  },
];

/**
 * Has a register of prom-client collect what {@link keepAliveStats} counts, which begins with this call: do it at the
 * start of the program.
 *
 * | metric | |
 * | --- | --- |
 * | `tcp_keepalive_connection_held` | open connections whose options are kept set |
 * | `tcp_keepalive_connection_set_total` | options were written to a connection |
 * | `tcp_keepalive_connection_restored_total` | somebody called `setKeepAlive` on a held one |
 * | `tcp_keepalive_connection_skipped_total` | options could not be set |
 * | `tcp_keepalive_connection_lost_total` | lost, by `timer` |
 * | `tcp_keepalive_rule_hits_total` | hits of each `rule`, 0 too |
 * | `tcp_keepalive_detection_duration_seconds` | histogram: how long the peers of lost connections had been silent |
 *
 * @param register - prom-client's own `register`, or a `Registry`
 * @returns a function that ends it, and removes the metrics
 *
 * @example
 * ```ts
 * import { register } from 'prom-client';
 *
 * collectKeepAlive(register);
 * ```
 */
export function collectKeepAlive(register: Registry): () => void {
  const registers = [register];
  const held = new Gauge({
    name: 'tcp_keepalive_connection_held',
    help: 'Open connections whose keepalive options are kept set.',
    registers,
    collect() {
      this.set(keepAliveStats().held);
    },
  });
  const counted = counters.map(
    ({ name, help, labelNames = [], read }) =>
      new Counter({
        name: `tcp_keepalive_${name}`,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const [value, labels = {}] of read(keepAliveStats())) this.inc(labels, value);
        },
      }),
  );
  const duration = new Histogram({
    name: 'tcp_keepalive_detection_duration_seconds',
    help: 'How long the peers of lost connections had been silent.',
    buckets: [...detectionBuckets],
    registers,
  });
  keepAliveStats();
  const stop = onDetection((seconds) => duration.observe(seconds));
  return () => {
    stop();
    for (const metric of [held, ...counted, duration]) {
      register.removeSingleMetric((metric as unknown as { readonly name: string }).name);
    }
  };
}
