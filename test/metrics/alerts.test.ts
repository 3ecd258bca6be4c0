import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { collectKeepAlive } from 'tcp-keepalive/prometheus';
import { expect, onTestFinished, test } from 'vitest';

const folder = 'examples/observability';

test.each(['alerts.yml', 'dashboard.json'])(
  '%s names only metrics that exist, and their labels',
  async (file) => {
    const registry = new Registry();
    onTestFinished(collectKeepAlive(registry));
    const exported = registry.getMetricsAsArray().map((metric) => metric.name);
    const text = readFileSync(`${folder}/${file}`, 'utf8');
    const named = new Set(text.match(/tcp_keepalive_\w+/g));
    const known = exported.flatMap((name) => [name, `${name}_bucket`]);
    expect(named.size).toBeGreaterThan(3);
    expect([...named].filter((name) => !known.includes(name))).toEqual([]);
  },
);

test('every panel of the dashboard has a query', () => {
  const { panels } = JSON.parse(readFileSync(`${folder}/dashboard.json`, 'utf8'));
  for (const { title, targets } of panels) expect(targets.length, title).toBeGreaterThan(0);
});

// It is part of Debian's package `prometheus`.
const isInstalled = spawnSync('promtool', ['--version']).error === undefined;

test.runIf(isInstalled)('promtool accepts the alerts, and they fire when they should', () => {
  const options = { cwd: folder, encoding: 'utf8' } as const;
  expect(execFileSync('promtool', ['check', 'rules', 'alerts.yml'], options)).toContain('SUCCESS');
  expect(execFileSync('promtool', ['test', 'rules', 'alerts.test.yml'], options)).toContain('SUCCESS');
});
