import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setKeepAlive } from 'tcp-keepalive';
import { vanish } from 'tcp-keepalive/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadLibc } from '../../native-bindings/libc.ts';
import { tcpInfoLayout } from '../../native-bindings/tcp-info.ts';
import { acceptQueueLength, type LinuxTcpInfo, readTcpInfo } from '../../src/kernel/tcp-info.ts';
import { pair } from '../helpers/connection.ts';
import { accept, listen } from '../helpers/listen.ts';
import { packageOn } from '../helpers/package-on.ts';
import { PATIENCE } from '../helpers/patience.ts';
import { fdOf } from '../helpers/raw-options.ts';

function infoOf(socket: net.Socket): LinuxTcpInfo {
  return readTcpInfo(fdOf(socket));
}

/** A connected socket from which Node does not read. */
async function unread(): Promise<net.Socket> {
  const listener = net.createServer({ pauseOnConnect: true });
  await listen(listener);
  return accept(listener);
}

describe.runIf(process.platform === 'linux')('on Linux', () => {
  test('a connection that has just said something', async () => {
    const { client, server } = await pair();
    client.write('hello');
    await once(server, 'data');
    await vi.waitFor(() => expect(infoOf(client).unacked).toBe(0), PATIENCE);
    const info = infoOf(client);
    expect(info).toMatchObject({
      state: 'ESTABLISHED',
      probes: 0,
      retransmits: 0,
      backoff: 0,
      totalRetransmits: 0,
    });
    // Milliseconds: a round trip on loopback takes less than one of them, the timeout at least 200.
    expect(info.rtt).toBeGreaterThan(0);
    expect(info.rtt).toBeLessThan(200);
    expect(info.rttVariation).toBeGreaterThan(0);
    expect(info.rto).toBeGreaterThanOrEqual(200);
    expect(info.rto).toBeLessThan(2_000);
    expect(info.congestionWindow).toBeGreaterThan(0);
    expect(info.notSentBytes).toBe(0);
    expect(info.sendWindow).toBeGreaterThan(0);
  });

  test('the clocks run from the last byte and the last ACK', async () => {
    const { client, server } = await pair();
    client.resume();
    server.write('hello');
    await once(client, 'data');
    const heard = performance.now();
    await vi.waitFor(() => expect(infoOf(client).lastDataReceived).toBeGreaterThanOrEqual(100), PATIENCE);
    const elapsed = performance.now() - heard;
    const { lastDataReceived, lastAckReceived, lastDataSent } = infoOf(client);
    expect(elapsed).toBeGreaterThan(50);
    expect(lastDataReceived).toBeLessThan(elapsed + 500);
    expect(lastAckReceived).toBeGreaterThanOrEqual(lastDataReceived);
    // Nothing was sent since the connection was made, which was before.
    expect(lastDataSent).toBeGreaterThanOrEqual(lastDataReceived);
  });

  test('a peer that vanished while data is in flight', async () => {
    const { client, server } = await pair();
    vanish(client, server);
    client.write('nobody hears this');
    await vi.waitFor(() => expect(infoOf(client).retransmits).toBeGreaterThan(0), PATIENCE);
    const info = infoOf(client);
    expect(info).toMatchObject({ state: 'ESTABLISHED', unacked: 1 });
    expect(info.totalRetransmits).toBeGreaterThan(0);
    await vi.waitFor(() => expect(infoOf(client).backoff).toBeGreaterThan(0), PATIENCE);
  });

  test('a peer that does not read', async () => {
    const { client, server } = await pair();
    server.pause();
    client.write(Buffer.alloc(16 * 1024 * 1024));
    await vi.waitFor(() => expect(infoOf(client).sendWindow).toBe(0), PATIENCE);
    expect(infoOf(client).notSentBytes).toBeGreaterThan(0);
  });

  test('unanswered probes are counted, and the end is told where Node hears nothing of it', async () => {
    const socket = await unread();
    let heard = false;
    socket.on('error', () => {
      heard = true;
    });
    setKeepAlive(socket, { initialDelay: 1_000, interval: 1_000, count: 2 });
    vanish(socket);
    const probes = new Set<number>();
    await vi.waitFor(
      () => {
        const info = infoOf(socket);
        probes.add(info.probes);
        expect(info.state).toBe('CLOSE');
      },
      { timeout: PATIENCE, interval: 20 },
    );
    expect([...probes]).toEqual(expect.arrayContaining([0, 1, 2]));
    expect(heard).toBe(false);
    socket.resume();
    await vi.waitFor(() => expect(heard).toBe(true), PATIENCE);
  });

  test('the connections that wait in a listener’s accept queue', async () => {
    const listener = net.createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as net.AddressInfo;
    const clients = Array.from({ length: 3 }, () => net.connect(port, '127.0.0.1'));
    onTestFinished(() => {
      for (const client of clients) client.destroy();
      listener.close();
    });
    expect(acceptQueueLength(fdOf(listener))).toBe(0);
    // The SYNs are sent in the next tick, and answered by the kernel before Node polls again.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(acceptQueueLength(fdOf(listener))).toBe(3);
  });

  test('an older kernel, here a fake whose structure ends earlier', async () => {
    const { client } = await pair();
    const libc = loadLibc();
    const { getsockopt } = libc;
    const filled = vi.spyOn(libc, 'getsockopt');
    onTestFinished(() => filled.mockRestore());
    const whole = infoOf(client);
    const truncatedTo = (length: number) => {
      filled.mockImplementation((fd, level, name) => {
        const result = getsockopt(fd, level, name);
        libc.memory[libc.lengthIndex] = length;
        return result;
      });
      return infoOf(client);
    };
    // 4.6 and 5.4 added a field each. A length within one of them gives half of it, which is worth nothing.
    for (const length of [104, 145, 146, 147]) {
      expect(truncatedTo(length)).not.toHaveProperty('notSentBytes');
      expect(truncatedTo(length)).not.toHaveProperty('sendWindow');
      expect(acceptQueueLength(fdOf(client))).toBe(whole.unacked);
    }
    for (const length of [148, 229, 230, 231]) {
      expect(truncatedTo(length)).toHaveProperty('notSentBytes', whole.notSentBytes);
      expect(truncatedTo(length)).not.toHaveProperty('sendWindow');
    }
    expect(truncatedTo(232)).toHaveProperty('sendWindow', whole.sendWindow);
  });

  test('each field of a faked structure is read from its own place, unsigned and in its own unit', async () => {
    const { client } = await pair();
    const inBytes = { state: 8, retransmits: 2, probes: 3, backoff: 4 };
    const counts = {
      unacked: 3_000_000_001,
      lastDataSent: 3_000_000_002,
      lastDataReceived: 3_000_000_003,
      lastAckReceived: 3_000_000_004,
      congestionWindow: 3_000_000_005,
      totalRetransmits: 3_000_000_006,
      notSentBytes: 3_000_000_007,
      sendWindow: 3_000_000_008,
    };
    const microseconds = { rto: 3_000_000_009, rtt: 3_000_000_010, rttVariation: 3_000_000_011 };
    const libc = loadLibc();
    const filled = vi.spyOn(libc, 'getsockopt').mockImplementation(() => {
      for (const [field, value] of Object.entries(inBytes)) {
        libc.bytes[tcpInfoLayout[field as keyof typeof inBytes]] = value;
      }
      for (const [field, value] of Object.entries({ ...counts, ...microseconds })) {
        libc.memory[tcpInfoLayout[field as keyof typeof counts] / 4] = value;
      }
      return 0;
    });
    onTestFinished(() => filled.mockRestore());
    expect(infoOf(client)).toEqual({
      ...inBytes,
      state: 'CLOSE_WAIT',
      ...counts,
      rto: 3_000_000.009,
      rtt: 3_000_000.01,
      rttVariation: 3_000_000.011,
    });
  });

  test('the layout is what the headers say', ({ skip }) => {
    const { level: _, name, constant, ...offsets } = tcpInfoLayout;
    const assertions = Object.entries(offsets).map(
      ([field, offset]) =>
        `_Static_assert(offsetof(struct tcp_info, ${membersInC[field as keyof typeof offsets]}) == ${offset}, "${field}");`,
    );
    const included = '#include <stddef.h>\n#include <linux/tcp.h>\n';
    const isComplete = compile(`${included}unsigned long last = offsetof(struct tcp_info, tcpi_snd_wnd);\n`);
    if (isComplete !== '') {
      console.warn(
        'Skipped: the layout of TCP_INFO against the headers: no cc, or headers older than Linux 5.4',
      );
      return skip('no cc, or headers older than Linux 5.4');
    }
    expect(
      compile(`${included}${assertions.join('\n')}\n_Static_assert(${constant} == ${name}, "name");\n`),
    ).toBe('');
  });
});

const membersInC: Record<Exclude<keyof typeof tcpInfoLayout, 'level' | 'name' | 'constant'>, string> = {
  state: 'tcpi_state',
  retransmits: 'tcpi_retransmits',
  probes: 'tcpi_probes',
  backoff: 'tcpi_backoff',
  rto: 'tcpi_rto',
  unacked: 'tcpi_unacked',
  lastDataSent: 'tcpi_last_data_sent',
  lastDataReceived: 'tcpi_last_data_recv',
  lastAckReceived: 'tcpi_last_ack_recv',
  rtt: 'tcpi_rtt',
  rttVariation: 'tcpi_rttvar',
  congestionWindow: 'tcpi_snd_cwnd',
  totalRetransmits: 'tcpi_total_retrans',
  notSentBytes: 'tcpi_notsent_bytes',
  sendWindow: 'tcpi_snd_wnd',
};

/** What the C compiler has against a source: nothing, if it is right. */
function compile(source: string): string {
  const { error, stderr } = spawnSync('cc', ['-fsyntax-only', '-x', 'c', '-'], {
    input: source,
    encoding: 'utf8',
    timeout: PATIENCE,
  });
  return error === undefined ? stderr : error.message;
}

test.each([
  { platform: 'linux', has: true },
  { platform: 'android', has: true },
  { platform: 'freebsd', has: false },
])('$platform has the structure: $has', async ({ platform, has }) => {
  await packageOn(platform);
  expect((await import('../../src/kernel/tcp-info.ts')).hasTcpInfo).toBe(has);
});

test.runIf(process.platform === 'linux')(
  'an emulator that passes on 4 bytes is said, and no zeros are told',
  async () => {
    const { client, server } = await pair();
    const libc = loadLibc();
    const { getsockopt } = libc;
    const cut = vi.spyOn(libc, 'getsockopt').mockImplementation((fd, level, name) => {
      const result = getsockopt(fd, level, name);
      if (level === 6 && name === 11) libc.memory[libc.lengthIndex] = 4;
      return result;
    });
    onTestFinished(() => void cut.mockRestore());
    expect(() => infoOf(client)).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_UNSUPPORTED',
        message: expect.stringMatching(/^Expected at least 104 bytes of TCP_INFO, got 4; an emulator/),
      }),
    );
    // What needs it does without.
    expect(setKeepAlive(server, { count: 3 })).toMatchObject({ count: 3 });
    expect(acceptQueueLength(fdOf(client))).toBe(Number.POSITIVE_INFINITY);
  },
);
