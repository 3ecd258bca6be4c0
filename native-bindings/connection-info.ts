import type { tcpStates } from './tcp-info.ts';

/**
 * The offsets of the fields of `struct tcp_connection_info` on macOS, in bytes.
 *
 * @see https://github.com/apple-oss-distributions/xnu/blob/main/bsd/netinet/tcp.h
 */
export const connectionInfoLayout = {
  level: 6,
  name: 0x106,
  constant: 'TCP_CONNECTION_INFO',
  // u8
  state: 0,
  // u32, times in milliseconds
  rto: 12,
  segmentSize: 16,
  /** In bytes. */
  congestionWindow: 24,
  sendWindow: 28,
  rtt: 44,
  rttVariation: 48,
  // u64, in two words
  totalRetransmits: 104,
  totalRetransmitsHigh: 108,
} as const;

/** `tcpi_state` by number, from `bsd/netinet/tcp_fsm.h`, by the names of Linux. */
export const connectionStates: readonly (typeof tcpStates)[number][] = [
  'CLOSE',
  'LISTEN',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'CLOSE_WAIT',
  'FIN_WAIT1',
  'CLOSING',
  'LAST_ACK',
  'FIN_WAIT2',
  'TIME_WAIT',
];

// Frozen, because numbers from here go to the kernel unchecked.
Object.freeze(connectionInfoLayout);
Object.freeze(connectionStates);
