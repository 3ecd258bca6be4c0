import { sockDiag } from '../../native-bindings/sock-diag.ts';
import type { EndpointFilter } from './endpoint.ts';

/** Which sockets the kernel is to list. */
export interface Selection {
  readonly family: number;
  /** A bit for each number of a state. */
  readonly states: number;
  readonly local: EndpointFilter | undefined;
  readonly remote: EndpointFilter | undefined;
}

/** The length of `struct inet_diag_req_v2`, and of an instruction with its `struct inet_diag_hostcond`. */
const REQUEST = 56;
const CONDITION = 12;

/** Makes the message that asks for a list, whose filter the kernel runs, so that only few rows have to be read. */
export function requestFor({ family, states, local, remote }: Selection): Uint8Array {
  const filter = filterOf(local, remote);
  const attribute = filter.length === 0 ? 0 : 4 + filter.length;
  const request = new Uint8Array(sockDiag.HEADER + REQUEST + attribute);
  const view = new DataView(request.buffer);
  // This is the byte order of the machine, which is little-endian wherever koffi has a binary for Linux.
  const isLittle = true;
  view.setUint32(0, request.length, isLittle);
  view.setUint16(4, sockDiag.SOCK_DIAG_BY_FAMILY, isLittle);
  view.setUint16(6, sockDiag.NLM_F_REQUEST_DUMP, isLittle);
  request.set([family, sockDiag.IPPROTO_TCP, 1 << (sockDiag.INET_DIAG_INFO - 1)], sockDiag.HEADER);
  view.setUint32(sockDiag.HEADER + 4, states, isLittle);
  if (attribute > 0) {
    view.setUint16(sockDiag.HEADER + REQUEST, attribute, isLittle);
    view.setUint16(sockDiag.HEADER + REQUEST + 2, sockDiag.INET_DIAG_REQ_BYTECODE, isLittle);
    request.set(filter, sockDiag.HEADER + REQUEST + 4);
  }
  return request;
}

function filterOf(local: EndpointFilter | undefined, remote: EndpointFilter | undefined): number[] {
  const last = remote === undefined ? [] : condition(sockDiag.INET_DIAG_BC_D_COND, remote, 0);
  const first = local === undefined ? [] : condition(sockDiag.INET_DIAG_BC_S_COND, local, last.length);
  return [...first, ...last];
}

/**
 * One instruction. If it holds, the kernel goes on after it; otherwise it jumps four bytes behind the end, where a row
 * is refused. A condition of IPv4 holds for IPv4-mapped addresses too.
 */
function condition(code: number, { bytes, prefix, port }: EndpointFilter, after: number): number[] {
  const length = CONDITION + bytes.length;
  const family = { 0: 0, 4: sockDiag.AF_INET, 16: sockDiag.AF_INET6 }[bytes.length] ?? 0;
  const view = new DataView(new ArrayBuffer(CONDITION));
  view.setUint8(0, code);
  view.setUint8(1, length);
  view.setUint16(2, length + after + 4, true);
  view.setUint8(4, family);
  view.setUint8(5, prefix);
  view.setInt32(8, port ?? -1, true);
  return [...new Uint8Array(view.buffer), ...bytes];
}
