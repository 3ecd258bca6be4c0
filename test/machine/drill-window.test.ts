import { expect, test } from 'vitest';
import type { LinuxTcpInfo } from '../../src/kernel/tcp-info.ts';
import { windowsOf } from '../../src/machine/drill-window.ts';

const idle = { rto: 204, backoff: 0, unacked: 0, lastAckReceived: 700, lastDataReceived: 900 };
const options = { enable: true, initialDelay: 1_000, interval: 1_000, count: 2, userTimeout: 2_500 };
const probeIn = (expires: number, unanswered = 0) => ({ kind: 'keepalive' as const, expires, unanswered });

test.each([
  ['an idle connection: after the last that was heard', { timer: probeIn(300) }, { earliest: 2_300 }],
  ['options that were set in the silence: a tick sooner', { timer: probeIn(1_000) }, { earliest: 2_000 }],
  ['a timer that only waits on', { timer: probeIn(100) }, { earliest: 2_300 }],
  ['probes that are unanswered already', { timer: probeIn(300, 1), silence: 1_700 }, { earliest: 1_300 }],
  [
    'no user timeout: by the count',
    { timer: probeIn(1_000), without: true },
    { earliest: 2_300, latest: expect.toSatisfy((latest: number) => latest >= 3_000) },
  ],
  ['no keepalive', { off: true }, { earliest: Infinity, latest: Infinity }],
  ['data in flight: after the write', { data: true }, { earliest: 2_400 }],
])('the window of %s', (_name, given, window) => {
  const {
    timer,
    silence = 700,
    without,
    off,
    data,
  } = given as {
    timer?: ReturnType<typeof probeIn>;
    silence?: number;
    without?: boolean;
    off?: boolean;
    data?: boolean;
  };
  const info = {
    ...idle,
    ...{ lastAckReceived: silence, lastDataReceived: silence + 200 },
    ...(data && { unacked: 1, lastDataSent: 100, sendWindow: 100 }),
  } as LinuxTcpInfo;
  const settings = { ...options, ...(without && { userTimeout: 0 }), ...(off && { enable: false }) };
  const { atFirst, afterWrite } = windowsOf(settings, { info, timer }, { hz: 250 });
  expect(atFirst).toMatchObject(window);
  expect(afterWrite(1_000, 1_050)).toMatchObject({ earliest: without ? expect.any(Number) : 3_500 });
});
