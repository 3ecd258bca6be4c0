import net from 'node:net';
import { installKeepAlive, keepAlive, keepAliveStats, setKeepAlive } from 'tcp-keepalive';
import { expect, onTestFinished, test } from 'vitest';
import { connection, unixConnection } from '../helpers/connection.ts';
import { listen } from '../helpers/listen.ts';
import { loseTwo } from '../helpers/lose.ts';
import { tlsPair } from '../helpers/tls-pair.ts';

test('nothing was counted before the first call', async () => {
  const before = keepAlive(await connection(), 'database');
  expect(keepAliveStats()).toMatchObject({ held: 0, set: 0, restored: 0, skipped: 0 });
  before.destroy();
});

test('holds are counted as long as they last, and TLS once', async () => {
  const { held, set } = keepAliveStats();
  const [first, second] = [await connection(), await connection()];
  setKeepAlive(await connection(), 'database');
  keepAlive(first, 'database');
  keepAlive(first, 'fastFailover');
  keepAlive(second, 'database');
  expect(keepAliveStats()).toMatchObject({ held: held + 2, set: set + 4 });
  keepAlive(first, false);
  expect(keepAliveStats().held).toBe(held + 1);
  second.destroy();
  expect(keepAliveStats().held).toBe(held);

  const { client, close } = await tlsPair();
  onTestFinished(close);
  keepAlive(client, 'database');
  expect(keepAliveStats().held).toBe(held + 1);
});

test('foreign changes, and options that could not be set', async () => {
  const { restored, skipped } = keepAliveStats();
  keepAlive(await connection(), 'database').setKeepAlive(true, 1_000);
  keepAlive(await unixConnection(), 'database', { onError() {} });
  expect(keepAliveStats()).toMatchObject({ restored: restored + 1, skipped: skipped + 1 });
});

test('a rule that has never matched is seen', async () => {
  const port = await listen(net.createServer((socket) => socket.resume()));
  const rules = [
    { side: 'client', port, use: 'database' },
    { side: 'client', port: 1, use: 'tunnel' },
  ] as const;
  onTestFinished(installKeepAlive(rules));
  for (let n = 0; n < 2; n++) {
    const socket = net.connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await new Promise((connected) => socket.on('connect', connected));
  }
  expect(keepAliveStats().rules).toEqual([
    { rule: `${port}=database`, hits: 2 },
    { rule: '1=tunnel', hits: 0 },
  ]);
});

test.runIf(process.platform === 'linux')(
  'losses are counted by what has ended them, with the time of silence',
  async () => {
    const before = keepAliveStats();
    await loseTwo();
    const { lost, detection } = keepAliveStats();
    expect(lost).toMatchObject({
      keepalive: before.lost.keepalive + 1,
      userTimeout: before.lost.userTimeout + 1,
      reaper: before.lost.reaper,
    });
    expect(detection.count).toBe(before.detection.count + 2);
    const added = detection.sum - before.detection.sum;
    expect(added).toBeGreaterThan(5_000);
    // Cumulative: what is under 2 s is none, and what is under two hours is both.
    const counts = detection.buckets.map(({ count }, i) => count - (before.detection.buckets[i]?.count ?? 0));
    expect(counts.slice(0, 2)).toEqual([0, 0]);
    expect(counts.at(-1)).toBe(2);
  },
);
