import { spawnSync } from 'node:child_process';
import net from 'node:net';
import { expect, test, vi } from 'vitest';
import { connectionInfoLayout as layout } from '../../native-bindings/connection-info.ts';
import { connection } from '../helpers/connection.ts';
import { listen, untilFinished } from '../helpers/listen.ts';
import { type Package, packageOn } from '../helpers/package-on.ts';
import { PATIENCE } from '../helpers/patience.ts';

/** The package as on macOS, whose kernel fills `bytes` of these. */
async function onMacos(structure: Uint8Array, length = structure.length): Promise<Package> {
  const lib = await packageOn('darwin');
  const libc = (await import('../../native-bindings/libc.ts')).loadLibc();
  vi.spyOn(libc, 'getsockopt').mockImplementation((_fd, level, name) => {
    libc.memory[0] = 1;
    if (level !== 6 || name !== 0x106) return 0;
    libc.bytes.set(structure.subarray(0, length));
    libc.memory[libc.lengthIndex] = length;
    return 0;
  });
  return lib;
}

/** A connection whose peer has not answered for a while, as `struct tcp_connection_info` tells it. */
function structureOf(fields: Partial<Record<number, number>> = {}): Uint8Array {
  const bytes = new Uint8Array(112);
  const view = new DataView(bytes.buffer);
  bytes[0] = 4;
  const words = { 12: 4_096, 16: 1_448, 24: 14_480 + 5, 28: 0, 32: 9_000, 44: 31, 48: 7, 104: 6, ...fields };
  for (const [offset, value] of Object.entries(words)) view.setUint32(Number(offset), value ?? 0, true);
  return bytes;
}

test('what macOS tells has the names of Linux, and what it lacks is undefined', async () => {
  const client = await connection();
  const { getTcpInfo } = await onMacos(structureOf());
  const info = getTcpInfo(client);
  expect(info).toEqual({
    state: 'ESTABLISHED',
    rto: 4_096,
    rtt: 31,
    rttVariation: 7,
    congestionWindow: 10,
    totalRetransmits: 6,
    sendWindow: 0,
  });
  // One check is enough for the types: these are undefined together.
  expect(info.probes === undefined ? info.lastAckReceived : info.lastAckReceived + 1).toBeUndefined();
});

test.each([
  [0, 'CLOSE'],
  [1, 'LISTEN'],
  [3, 'SYN_RECV'],
  [5, 'CLOSE_WAIT'],
  [6, 'FIN_WAIT1'],
  [7, 'CLOSING'],
  [8, 'LAST_ACK'],
  [9, 'FIN_WAIT2'],
  [10, 'TIME_WAIT'],
  [11, 'UNKNOWN'],
])('its state %i is %s', async (number, state) => {
  const client = await connection();
  const structure = structureOf();
  structure[0] = number;
  const { getTcpInfo } = await onMacos(structure);
  expect(getTcpInfo(client).state).toBe(state);
});

test('a timer that does not run has no timeout, and large counts are whole', async () => {
  const client = await connection();
  const { getTcpInfo } = await onMacos(structureOf({ 12: 0, 16: 0, 104: 0xffff_ffff, 108: 1 }));
  const info = getTcpInfo(client);
  expect(info).not.toHaveProperty('rto');
  expect(info).toMatchObject({ totalRetransmits: 2 ** 33 - 1, congestionWindow: 14_485 });
});

test('a shorter structure is said, and no zeros are told', async () => {
  const client = await connection();
  const { getTcpInfo } = await onMacos(structureOf(), 104);
  expect(() => getTcpInfo(client)).toThrow(
    expect.objectContaining({
      code: 'ERR_KEEPALIVE_UNSUPPORTED',
      message: 'Expected at least 112 bytes of TCP_CONNECTION_INFO, got 104',
    }),
  );
});

test('inspectKeepAlive tells of it too, and nothing of what it does not know', async () => {
  const client = await connection();
  const { inspectKeepAlive } = await onMacos(structureOf());
  const [inspected] = inspectKeepAlive(client);
  expect(inspected).toMatchObject({ tcpInfo: { state: 'ESTABLISHED', totalRetransmits: 6 } });
  expect(inspected).toHaveProperty('detection');
  for (const unknown of ['error', 'state', 'lostIn']) expect(inspected).not.toHaveProperty(unknown);
  const server = untilFinished(net.createServer());
  await listen(server);
  expect(inspectKeepAlive(server)[0]).toMatchObject({ tcpInfo: { state: 'ESTABLISHED' } });
});

test('the layout is that of the header', ({ skip }) => {
  const { level: _, name: _name, constant: _constant, totalRetransmitsHigh, ...offsets } = layout;
  expect(totalRetransmitsHigh).toBe(layout.totalRetransmits + 4);
  const members: Record<keyof typeof offsets, string> = {
    state: 'tcpi_state',
    rto: 'tcpi_rto',
    segmentSize: 'tcpi_maxseg',
    congestionWindow: 'tcpi_snd_cwnd',
    sendWindow: 'tcpi_snd_wnd',
    rtt: 'tcpi_srtt',
    rttVariation: 'tcpi_rttvar',
    totalRetransmits: 'tcpi_txretransmitpackets',
  };
  const assertions = Object.entries(offsets).map(
    ([field, offset]) =>
      `_Static_assert(offsetof(struct tcp_connection_info, ${members[field as keyof typeof offsets]}) == ${offset}, "");`,
  );
  const { error, stderr } = spawnSync('cc', ['-fsyntax-only', '-x', 'c', '-'], {
    input: `${header}${assertions.join('\n')}`,
    encoding: 'utf8',
    timeout: PATIENCE,
  });
  if (error !== undefined) return skip('no cc');
  expect(stderr).toBe('');
});

/** Apple's `bsd/netinet/tcp.h`, without its comments. */
const header = `
#include <stddef.h>
#include <stdint.h>
struct tcp_connection_info {
  uint8_t tcpi_state, tcpi_snd_wscale, tcpi_rcv_wscale, __pad1;
  uint32_t tcpi_options, tcpi_flags, tcpi_rto, tcpi_maxseg, tcpi_snd_ssthresh, tcpi_snd_cwnd, tcpi_snd_wnd,
    tcpi_snd_sbbytes, tcpi_rcv_wnd, tcpi_rttcur, tcpi_srtt, tcpi_rttvar;
  uint32_t tcpi_tfo_cookie_req:1, tcpi_tfo_cookie_rcv:1, tcpi_tfo_syn_loss:1, tcpi_tfo_syn_data_sent:1,
    tcpi_tfo_syn_data_acked:1, tcpi_tfo_syn_data_rcv:1, tcpi_tfo_cookie_req_rcv:1, tcpi_tfo_cookie_sent:1,
    tcpi_tfo_cookie_invalid:1, tcpi_tfo_cookie_wrong:1, tcpi_tfo_no_cookie_rcv:1, tcpi_tfo_heuristics_disable:1,
    tcpi_tfo_send_blackhole:1, tcpi_tfo_recv_blackhole:1, tcpi_tfo_onebyte_proxy:1, __pad2:17;
  uint64_t tcpi_txpackets __attribute__((aligned(8))), tcpi_txbytes, tcpi_txretransmitbytes, tcpi_rxpackets,
    tcpi_rxbytes, tcpi_rxoutoforderbytes, tcpi_txretransmitpackets;
};
`;
