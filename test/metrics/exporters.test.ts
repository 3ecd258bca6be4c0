import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { Registry } from 'prom-client';
import { installKeepAlive, keepAlive, keepAliveStats } from 'tcp-keepalive';
import { observeKeepAlive } from 'tcp-keepalive/opentelemetry';
import { collectKeepAlive } from 'tcp-keepalive/prometheus';
import { expect, onTestFinished, test } from 'vitest';
import { connection } from '../helpers/connection.ts';
import { listen } from '../helpers/listen.ts';
import { loseTwo } from '../helpers/lose.ts';

/** Reads the samples of a page by their names and labels. */
async function scrape(port: number, path = '/metrics'): Promise<Record<string, number>> {
  const page = await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  const lines = page.split('\n').filter((line) => line.startsWith('tcp_keepalive'));
  return Object.fromEntries(
    lines.map((line) => {
      const [, sample = '', value] = /^(.*) ([^ ]+)$/.exec(line.replace(/ \d{13}$/, '')) ?? [];
      return [sample, Number(value)];
    }),
  );
}

async function connectUnderRules(): Promise<number> {
  const port = await listen(net.createServer((socket) => socket.resume()));
  const rules = [
    { side: 'client', port, use: 'database' },
    { side: 'client', port: 1, use: 'tunnel' },
  ] as const;
  onTestFinished(installKeepAlive(rules));
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return port;
}

test.runIf(process.platform === 'linux')('prom-client, scraped over HTTP', async () => {
  const registry = new Registry();
  const stop = collectKeepAlive(registry);
  const server = http.createServer(async (_request, response) => response.end(await registry.metrics()));
  const port = await listen(server);
  const before = await scrape(port);
  expect(before).toMatchObject({
    'tcp_keepalive_connection_lost_total{timer="keepalive"}': 0,
    tcp_keepalive_detection_duration_seconds_count: 0,
  });

  const rulePort = await connectUnderRules();
  keepAlive(await connection(), 'database').setKeepAlive(true);
  await loseTwo();
  const { set, held } = keepAliveStats();
  const after = await scrape(port);
  expect(after).toMatchObject({
    tcp_keepalive_connection_held: held,
    tcp_keepalive_connection_set_total: set,
    tcp_keepalive_connection_restored_total: 1,
    tcp_keepalive_connection_skipped_total: 0,
    'tcp_keepalive_connection_lost_total{timer="keepalive"}': 1,
    'tcp_keepalive_connection_lost_total{timer="userTimeout"}': 1,
    'tcp_keepalive_connection_lost_total{timer="reaper"}': 0,
    [`tcp_keepalive_rule_hits_total{rule="${rulePort}=database"}`]: 1,
    'tcp_keepalive_rule_hits_total{rule="1=tunnel"}': 0,
    'tcp_keepalive_detection_duration_seconds_bucket{le="2"}': 0,
    'tcp_keepalive_detection_duration_seconds_bucket{le="+Inf"}': 2,
    tcp_keepalive_detection_duration_seconds_count: 2,
  });
  expect(held).toBeGreaterThanOrEqual(2);
  // A second scrape counts nothing twice.
  expect(await scrape(port)).toEqual(after);

  stop();
  expect(await scrape(port)).toEqual({});
});

test.runIf(process.platform === 'linux')('OpenTelemetry, scraped over HTTP by its exporter', async () => {
  const exporter = new PrometheusExporter({ port: 0, host: '127.0.0.1', preventServerStart: true });
  const provider = new MeterProvider({ readers: [exporter] });
  onTestFinished(() => provider.shutdown());
  const stop = observeKeepAlive(provider.getMeter('tcp-keepalive'));
  const server = http.createServer((request, response) =>
    exporter.getMetricsRequestHandler(request, response),
  );
  const port = await listen(server);
  await loseTwo();
  const rulePort = await connectUnderRules();
  const { held, lost } = keepAliveStats();
  const samples = await scrape(port);
  const of = (name: string, label = '') =>
    Object.entries(samples).find(([sample]) => sample.startsWith(name) && sample.includes(label))?.[1];
  expect(of('tcp_keepalive_connection_held')).toBe(held);
  expect(of('tcp_keepalive_connection_lost_total', 'timer="keepalive"')).toBe(lost.keepalive);
  expect(of('tcp_keepalive_connection_lost_total', 'timer="userTimeout"')).toBe(lost.userTimeout);
  expect(of('tcp_keepalive_rule_hits_total', `"${rulePort}=database"`)).toBe(1);
  expect(of('tcp_keepalive_rule_hits_total', '"1=tunnel"')).toBe(0);
  expect(of('tcp_keepalive_detection_duration', 'le="+Inf"')).toBe(2);
  expect(of('tcp_keepalive_detection_duration', 'le="2"')).toBe(0);
  stop();
});

test('the instruments of OpenTelemetry have units of its conventions', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  onTestFinished(() => provider.shutdown());
  const stop = observeKeepAlive(provider.getMeter('tcp-keepalive'));
  keepAlive(await connection(), 'database');
  await reader.forceFlush();
  const metrics = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
  const units = Object.fromEntries(metrics.map(({ descriptor: { name, unit } }) => [name, unit]));
  expect(units).toMatchObject({
    'tcp_keepalive.connection.held': '{connection}',
    'tcp_keepalive.connection.set': '{connection}',
    'tcp_keepalive.connection.lost': '{connection}',
  });
  // Once it is ended, nothing is observed any more.
  stop();
  keepAlive(await connection(), 'database');
  exporter.reset();
  await reader.forceFlush();
  const later = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
  const [before, after] = [metrics, later].map((each) =>
    each.find(({ descriptor }) => descriptor.name === 'tcp_keepalive.connection.set'),
  );
  expect(after?.dataPoints[0]?.value).toBe(before?.dataPoints[0]?.value);
});
