/**
 * The offsets of the fields of `struct tcp_info` on Linux, in bytes. The structure only grows at its end, so
 * these are the same on every kernel; an old one fills fewer bytes.
 *
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/tcp.h
 */
export const tcpInfoLayout = {
  level: 6,
  name: 11,
  constant: 'TCP_INFO',
  // u8
  state: 0,
  retransmits: 2,
  probes: 3,
  backoff: 4,
  // u32
  rto: 8,
  unacked: 24,
  lastDataSent: 44,
  lastDataReceived: 52,
  lastAckReceived: 56,
  rtt: 68,
  rttVariation: 72,
  congestionWindow: 80,
  totalRetransmits: 100,
  notSentBytes: 144,
  sendWindow: 228,
} as const;

/** `tcpi_state` by number, from `enum` in `include/net/tcp_states.h`. */
export const tcpStates = [
  'UNKNOWN',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
] as const;

// Frozen, because numbers from here go to the kernel unchecked.
Object.freeze(tcpInfoLayout);
Object.freeze(tcpStates);
