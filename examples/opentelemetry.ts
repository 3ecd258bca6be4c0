// How does OpenTelemetry learn which connections were lost, and after how long?
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { keepAlive } from 'tcp-keepalive';
import { observeKeepAlive } from 'tcp-keepalive/opentelemetry';

export async function main(): Promise<void> {
  // The exporter of your backend, instead of one that keeps the metrics in memory.
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 });
  const provider = new MeterProvider({ readers: [reader] });
  // At the start of the program: counting begins here.
  observeKeepAlive(provider.getMeter('tcp-keepalive'));

  const peer = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(peer, 'listening');
  const socket = keepAlive(net.connect((peer.address() as AddressInfo).port, '127.0.0.1'), 'database');
  await once(socket, 'connect');

  await reader.forceFlush();
  for (const { descriptor, dataPoints } of exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? []) {
    console.log(descriptor.name, descriptor.unit, dataPoints[0]?.value);
  }

  socket.destroy();
  peer.close();
  await provider.shutdown();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
