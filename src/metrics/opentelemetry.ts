/** Metrics of keepalive for OpenTelemetry. @module tcp-keepalive/opentelemetry */
import type { BatchObservableCallback, Meter, Observable } from '@opentelemetry/api';
import { detectionBuckets, keepAliveStats } from '#core';
import { onDetection } from './detection-times.ts';

const CONNECTIONS = '{connection}';

/**
 * Has a meter observe what {@link keepAliveStats} counts, which begins with this call: do it at the start of the program.
 *
 * | instrument | kind, unit | |
 * | --- | --- | --- |
 * | `tcp_keepalive.connection.held` | up-down counter, `{connection}` | open connections whose options are kept set |
 * | `tcp_keepalive.connection.set` | counter, `{connection}` | options were written to a connection |
 * | `tcp_keepalive.connection.restored` | counter, `{connection}` | somebody called `setKeepAlive` on a held one |
 * | `tcp_keepalive.connection.skipped` | counter, `{connection}` | options could not be set |
 * | `tcp_keepalive.connection.lost` | counter, `{connection}` | lost, by `tcp_keepalive.timer` |
 * | `tcp_keepalive.rule.hits` | counter, `{hit}` | hits of each `tcp_keepalive.rule`, 0 too |
 * | `tcp_keepalive.detection.duration` | histogram, `s` | how long the peers of lost connections had been silent |
 *
 * Only the types of `@opentelemetry/api` are used, so that whichever version has made the meter will do.
 *
 * @param meter - what `metrics.getMeter('tcp-keepalive')` returns, or a provider's own
 * @returns a function that ends it
 * @see https://opentelemetry.io/docs/specs/semconv/general/naming/
 *
 * @example
 * ```ts
 * observeKeepAlive(metrics.getMeter('tcp-keepalive'));
 * ```
 */
export function observeKeepAlive(meter: Meter): () => void {
  const counter = (name: string, description: string, unit = CONNECTIONS) =>
    meter.createObservableCounter(`tcp_keepalive.${name}`, { description, unit });
  const held = meter.createObservableUpDownCounter('tcp_keepalive.connection.held', {
    description: 'Open connections whose keepalive options are kept set.',
    unit: CONNECTIONS,
  });
  const set = counter('connection.set', 'Connections to which keepalive options were written.');
  const restored = counter('connection.restored', 'Foreign changes that holds have undone or kept away.');
  const skipped = counter('connection.skipped', 'Connections that had to do without some options.');
  const lost = counter('connection.lost', 'Connections whose peer no longer answered.');
  const rules = counter('rule.hits', 'Connections and listeners that a rule was for.', '{hit}');
  const duration = meter.createHistogram('tcp_keepalive.detection.duration', {
    description: 'How long the peers of lost connections had been silent.',
    unit: 's',
    advice: { explicitBucketBoundaries: [...detectionBuckets] },
  });
  const observe: BatchObservableCallback = (result) => {
    const stats = keepAliveStats();
    result.observe(held, stats.held);
    result.observe(set, stats.set);
    result.observe(restored, stats.restored);
    result.observe(skipped, stats.skipped);
    for (const [timer, count] of Object.entries(stats.lost)) {
      result.observe(lost, count, { 'tcp_keepalive.timer': timer });
    }
    for (const { rule, hits } of stats.rules) result.observe(rules, hits, { 'tcp_keepalive.rule': rule });
  };
  const observed: Observable[] = [held, set, restored, skipped, lost, rules];
  keepAliveStats();
  meter.addBatchObservableCallback(observe, observed);
  const stop = onDetection((seconds) => duration.record(seconds));
  return () => {
    stop();
    meter.removeBatchObservableCallback(observe, observed);
  };
}
