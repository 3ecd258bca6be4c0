import { getStructure, type Structure } from '../../native-bindings/sockopt.ts';
import { tcpInfoLayout as layout, tcpStates } from '../../native-bindings/tcp-info.ts';
import { keepAliveError } from '../options/errors.ts';
import { meaningOf } from './settings.ts';

/** The states of a TCP connection, by the kernel's names. */
export type TcpState = (typeof tcpStates)[number];

/** The fields that both Linux and macOS have. */
interface SharedTcpInfo {
  /** `tcpi_state`. `CLOSE` once the kernel has given up the connection, even if Node does not know it yet. */
  readonly state: TcpState;
  /** `tcpi_rtt`, on macOS `tcpi_srtt`. The smoothed round trip. */
  readonly rtt: number;
  /** `tcpi_rttvar`. The mean deviation of the round trip. */
  readonly rttVariation: number;
  /** `tcpi_snd_cwnd`. The congestion window, in segments. */
  readonly congestionWindow: number;
  /** `tcpi_total_retrans`, on macOS `tcpi_txretransmitpackets`. All retransmissions of the connection. */
  readonly totalRetransmits: number;
  /** `tcpi_snd_wnd`. Bytes that the peer accepts: 0 if it does not read. Absent before Linux 5.4. */
  readonly sendWindow?: number;
}

/** The kernel's state of a connection on Linux: times in milliseconds, segments as counts. */
export interface LinuxTcpInfo extends SharedTcpInfo {
  /** `tcpi_probes`. Unanswered keepalive (or zero-window) probes: 0 while the peer answers. */
  readonly probes: number;
  /** `tcpi_retransmits`. Retransmissions of the oldest unacknowledged segment. */
  readonly retransmits: number;
  /** `tcpi_backoff`. How often the retransmission timeout has doubled. */
  readonly backoff: number;
  /** `tcpi_unacked`. Segments sent but not acknowledged; on a listener, connections waiting for accept. */
  readonly unacked: number;
  /** `tcpi_rto`. The retransmission timeout. */
  readonly rto: number;
  /** `tcpi_last_data_sent`. The time since data was last sent. */
  readonly lastDataSent: number;
  /** `tcpi_last_data_recv`. The time since data was last received. */
  readonly lastDataReceived: number;
  /** `tcpi_last_ack_recv`. The time since the last acknowledgement: how long the peer may have been gone. */
  readonly lastAckReceived: number;
  /** `tcpi_notsent_bytes`. Bytes written that have not been sent. Absent before Linux 4.6. */
  readonly notSentBytes?: number;
}

type LinuxOnly = Exclude<keyof LinuxTcpInfo, keyof SharedTcpInfo | 'rto'>;

/** The kernel's state of a connection on macOS, which does not report what is unanswered, and since when. */
export interface DarwinTcpInfo extends SharedTcpInfo, Readonly<Partial<Record<LinuxOnly, undefined>>> {
  /** `tcpi_rto`. The retransmission timeout. Absent if nothing is in flight. */
  readonly rto?: number;
}

/**
 * The kernel's state of a connection: times in milliseconds, segments as counts. macOS lacks a part of the fields. One
 * check is enough: if `probes` is there, all are.
 *
 * @example
 * ```ts
 * const info = getTcpInfo(socket);
 * if (info.probes !== undefined) console.log(info.probes, info.lastAckReceived); // Linux
 * ```
 */
export type TcpInfo = LinuxTcpInfo | DarwinTcpInfo;

/** Whether this system has `TCP_INFO` of Linux, on which all that looks at silence rests. */
export const hasTcpInfo: boolean = process.platform === 'linux' || process.platform === 'android';

/** Bytes that every Linux fills, up to the last field that is always there. qemu-user passes on 4. */
const LEAST = layout.totalRetransmits + 4;

/**
 * Connections that a listener's kernel queue holds, established but not yet accepted. Infinite if that is not reported.
 *
 * @throws as {@link readTcpInfo}
 */
export function acceptQueueLength(fd: number): number {
  const { words, bytes, length } = structureOf(fd, layout);
  return length < LEAST ? Number.POSITIVE_INFINITY : decodeTcpInfo(words, bytes, length).unacked;
}

/**
 * Reads the `TCP_INFO` of a descriptor.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED` if koffi cannot be loaded, or an emulator does not pass `TCP_INFO` on;
 *   `ERR_KEEPALIVE_NOT_TCP`, or the system call's error
 */
export function readTcpInfo(fd: number): LinuxTcpInfo {
  const { words, bytes, length } = structureOf(fd, layout);
  if (length < LEAST) {
    throw keepAliveError(
      'ERR_KEEPALIVE_UNSUPPORTED',
      `Expected at least ${LEAST} bytes of TCP_INFO, got ${length}; an emulator, such as qemu-user in a container for ` +
        'another processor, does not pass it on',
    );
  }
  return decodeTcpInfo(words, bytes, length);
}

/** @throws `ERR_KEEPALIVE_UNSUPPORTED` if koffi cannot be loaded, `ERR_KEEPALIVE_NOT_TCP`, or the system call's error */
export function structureOf(fd: number, entry: Parameters<typeof getStructure>[1]): Structure {
  try {
    return getStructure(fd, entry);
  } catch (error) {
    throw meaningOf(error);
  }
}

/**
 * Decodes a `struct tcp_info`, from `getsockopt` or from netlink.
 *
 * @param at - where it begins in the memory, which is given both in words and in bytes
 */
export function decodeTcpInfo(
  words: ArrayLike<number>,
  bytes: ArrayLike<number>,
  length: number,
  at: number = 0,
): LinuxTcpInfo {
  const u32 = (offset: number) => (words[(at + offset) >> 2] ?? 0) >>> 0;
  const u8 = (offset: number) => bytes[at + offset] ?? 0;
  const info: { -readonly [name in keyof LinuxTcpInfo]: LinuxTcpInfo[name] } = {
    state: tcpStates[u8(layout.state)] ?? 'UNKNOWN',
    probes: u8(layout.probes),
    retransmits: u8(layout.retransmits),
    backoff: u8(layout.backoff),
    unacked: u32(layout.unacked),
    rto: u32(layout.rto) / 1000,
    rtt: u32(layout.rtt) / 1000,
    rttVariation: u32(layout.rttVariation) / 1000,
    lastDataSent: u32(layout.lastDataSent),
    lastDataReceived: u32(layout.lastDataReceived),
    lastAckReceived: u32(layout.lastAckReceived),
    congestionWindow: u32(layout.congestionWindow),
    totalRetransmits: u32(layout.totalRetransmits),
  };
  if (length >= layout.notSentBytes + 4) info.notSentBytes = u32(layout.notSentBytes);
  if (length >= layout.sendWindow + 4) info.sendWindow = u32(layout.sendWindow);
  return info;
}
