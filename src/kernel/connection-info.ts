import { connectionStates, connectionInfoLayout as layout } from '../../native-bindings/connection-info.ts';
import { keepAliveError } from '../options/errors.ts';
import { type DarwinTcpInfo, hasTcpInfo, readTcpInfo, structureOf, type TcpInfo } from './tcp-info.ts';

/** Reads the kernel's state of a descriptor's connection; `undefined` on a system whose structure is not known. */
export const readTcpInfoHere: ((fd: number) => TcpInfo) | undefined = hasTcpInfo
  ? readTcpInfo
  : process.platform === 'darwin'
    ? readConnectionInfo
    : undefined;

/** Bytes up to the end of the last field that is read. */
const LEAST = layout.totalRetransmitsHigh + 4;

const WORD = 2 ** 32;

/**
 * Reads the `TCP_CONNECTION_INFO` of a descriptor on macOS.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`, `ERR_KEEPALIVE_NOT_TCP`, or the system call's error
 */
function readConnectionInfo(fd: number): DarwinTcpInfo {
  const { words, bytes, length } = structureOf(fd, layout);
  if (length < LEAST) {
    throw keepAliveError(
      'ERR_KEEPALIVE_UNSUPPORTED',
      `Expected at least ${LEAST} bytes of ${layout.constant}, got ${length}`,
    );
  }
  const u32 = (offset: number) => (words[offset >> 2] ?? 0) >>> 0;
  const rto = u32(layout.rto);
  return {
    state: connectionStates[bytes[layout.state] ?? 0] ?? 'UNKNOWN',
    // It is 0 while the timer does not run.
    ...(rto > 0 && { rto }),
    rtt: u32(layout.rtt),
    rttVariation: u32(layout.rttVariation),
    congestionWindow: Math.floor(u32(layout.congestionWindow) / Math.max(1, u32(layout.segmentSize))),
    totalRetransmits: u32(layout.totalRetransmits) + u32(layout.totalRetransmitsHigh) * WORD,
    sendWindow: u32(layout.sendWindow),
  };
}
