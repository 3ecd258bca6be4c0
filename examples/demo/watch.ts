import { readFileSync } from 'node:fs';
import type net from 'node:net';
import { type DetectionWindow, getKeepAlive, getTcpInfo, predictDetection } from 'tcp-keepalive';
import type { DemoPool } from './pools.ts';

/** What a connection is doing when its peer vanishes. */
export type Activity = 'idle' | 'in flight';

/** How long the demo is ready to wait for a pool to notice, in milliseconds. */
export const PATIENCE = 15_000;

/** One pool, from the moment its peer vanishes. */
export interface Watch {
  /** When the kernel drops the connection, by the options read back from its socket. */
  readonly expected: DetectionWindow;
  /** What the kernel has sent in vain, by its own count: keepalive probes, or the query again. */
  unanswered(): number;
  /** When the pool noticed, in milliseconds, and what it was told; undefined before. */
  noticed(): { after: number; code: string } | undefined;
}

/** Watches a pool that has one idle connection, and sends a query on it if one is to be in flight. */
export function watch({ pool, socket }: DemoPool, activity: Activity): Watch {
  const connection = socket();
  const expected = predict(connection, activity);
  const { lastAckReceived = 0 } = getTcpInfo(connection);
  // The kernel counts an idle connection's time from when it last heard of the peer.
  const started = performance.now() - (activity === 'idle' ? lastAckReceived : 0);
  let unanswered = 0;
  let noticed: { after: number; code: string } | undefined;

  const notice = (error: Error & { code?: string }) => {
    noticed ??= { after: performance.now() - started, code: error.code ?? error.message };
  };
  if (activity === 'idle') pool.once('error', notice);
  else pool.query('select now()').catch(notice);

  return {
    expected,
    unanswered() {
      if (!connection.destroyed) {
        const { probes = 0, retransmits = 0 } = getTcpInfo(connection);
        unanswered = activity === 'idle' ? probes : retransmits;
      }
      return unanswered;
    },
    noticed: () => noticed,
  };
}

/** Whether a pool noticed within the time that was predicted for it. */
export function noticedInTime({ expected, noticed }: Watch): boolean {
  const { after = Number.NaN } = noticed() ?? {};
  return after >= expected.earliest && after <= expected.latest;
}

function predict(connection: net.Socket, activity: Activity): DetectionWindow {
  const tcpRetries2 = Number(readFileSync('/proc/sys/net/ipv4/tcp_retries2', 'utf8'));
  const { rto } = getTcpInfo(connection);
  const { idle, unacknowledged } = predictDetection(getKeepAlive(connection), { rto, tcpRetries2 });
  return activity === 'idle' ? idle : unacknowledged;
}
