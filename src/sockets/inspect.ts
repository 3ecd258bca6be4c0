import net from 'node:net';
import { readTcpInfoHere } from '../kernel/connection-info.ts';
import { readSettings } from '../kernel/settings.ts';
import type { LinuxTcpInfo, TcpInfo } from '../kernel/tcp-info.ts';
import { invalidOption, keepAliveError } from '../options/errors.ts';
import { isObject, readable } from '../options/fields.ts';
import type { KeepAliveSettings } from '../options/options.ts';
import { trustSettings } from '../options/parse.ts';
import { shownInstead } from '../options/show.ts';
import { type Detection, predictDetection } from '../predict/predict.ts';
import type { DetectionWindow } from '../predict/window.ts';
import { getKeepAlive, getTcpInfo } from './get.ts';
import { listenerDescriptor, NO_DESCRIPTOR } from './handle.ts';
import {
  EXPLICIT,
  GIVEN,
  heldBy,
  holderOf,
  holdOf,
  type KeepAliveHolder,
  markedHandle,
  ranks,
  SET,
} from './hold-record.ts';
import { isServer } from './listener.ts';
import { type LossState, silenceOf, stateOf } from './loss.ts';
import { type KeepAlivePeer, peerOf } from './peer.ts';
import { missingCallFor } from './right-call.ts';
import { serverSettings } from './server.ts';
import { listedSockets, socketListOf } from './socket-list.ts';

/** A connection or a listening socket, as {@link inspectKeepAlive} finds it. Times are in milliseconds. */
export interface InspectedKeepAlive {
  /** A listener is the listening socket of a server. */
  readonly kind: 'connection' | 'listener';
  /** The own end: what a listener listens on. */
  readonly local: KeepAlivePeer;
  /** The other end, as far as it is known. A listener has none. */
  readonly peer?: KeepAlivePeer;
  /** Who set the options; absent if nobody did, or if the connection has them from a listener that a rule has set. */
  readonly by?: KeepAliveHolder;
  /** The options that are kept set. A listener's are those that its connections get. */
  readonly held?: KeepAliveSettings;
  /** The options, read back from the kernel. A listener's connections inherit them. */
  readonly options?: KeepAliveSettings;
  /** The kernel's state of the connection. On Linux and macOS. */
  readonly tcpInfo?: TcpInfo;
  /** When the kernel of Linux acts with these options, and with this connection's own retransmission timeout. */
  readonly detection?: Detection;
  /** The present state of the connection, by the names of {@link Detection}. */
  readonly state?: Exclude<LossState, 'connecting'>;
  /** In how long it is lost, if nothing is heard of the peer any more. */
  readonly lostIn?: DetectionWindow;
  /** Why the options could not be read: it is not connected, or this runtime shows no descriptor. */
  readonly error?: Error;
}

const EXPECTED = 'a socket, a server, or what a driver module was given or has returned';

/**
 * Reads what there is to know of a connection, or of all the connections of a pool, a client, an agent or a server:
 * the options that the kernel has, its `TCP_INFO`, who set the options, and what will happen if the peer vanishes.
 *
 * It accepts a socket, a server, and whatever a driver module was given or has returned: a pool that went through
 * `keepAlivePg`, the configuration that `keepAliveUndici` made. Only the sockets that the module has held are listed. Of
 * a server, the listening socket comes first. The sockets that it has accepted are listed only if its module holds each
 * of them (`ws`, `ssh2`), because those that inherit their options cost nothing.
 *
 * @param target - the socket, the server, or the target of a driver module
 * @returns one entry for each connection that is not closed; one that cannot be read has an `error`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION` for anything else, with the module to call
 *
 * @example
 * ```ts
 * for (const { peer, options, by, lostIn } of inspectKeepAlive(pool)) console.log(peer, options, by, lostIn);
 * ```
 */
export function inspectKeepAlive(target: object): InspectedKeepAlive[] {
  return readable(EXPECTED, () => {
    const list = isObject(target) ? socketListOf(target) : undefined;
    const listed = list && listedSockets(list).map(inspectSocket);
    if (isServer(target)) return [inspectListener(target), ...(listed ?? [])];
    if (listed !== undefined) return listed;
    if (isSocket(target)) return [inspectSocket(target)];
    throw invalidOption(
      `Expected ${EXPECTED}, got ${shownInstead(target)}${missingCallFor(target)}`,
      TypeError,
    );
  });
}

/** The `socket` of an http2 session shows its prototype. */
function isSocket(target: object): target is net.Socket {
  return target instanceof net.Socket;
}

function inspectSocket(socket: net.Socket): InspectedKeepAlive {
  const { localAddress: address, localPort: port } = socket;
  const local = address === undefined ? {} : { address, port: port as number };
  const common = { kind: 'connection', local, peer: peerOf(socket), ...holdingOf(socket) } as const;
  try {
    const options = getKeepAlive(socket);
    const tcpInfo = readTcpInfoHere && getTcpInfo(socket);
    if (tcpInfo === undefined) return { ...common, options, detection: predictDetection(options) };
    // macOS does not report since when the peer is silent.
    const future =
      tcpInfo.probes === undefined ? { detection: predictDetection(options) } : futureOf(options, tcpInfo);
    return { ...common, options, tcpInfo, ...future };
  } catch (error) {
    return { ...common, error: error as Error };
  }
}

function holdingOf(socket: net.Socket): Pick<InspectedKeepAlive, 'by' | 'held'> {
  const handle = markedHandle(socket);
  const hold = holdOf(socket, handle);
  const held = heldBy(hold);
  if (hold !== undefined && held !== undefined) return { by: holderOf(hold), held };
  if (handle?.[GIVEN] !== undefined) return { by: holderOf(handle[GIVEN]) };
  if (handle?.[SET]) return { by: { rank: ranks[EXPLICIT], name: 'setKeepAlive' } };
  const { server } = socket as { server?: net.Server | null };
  return isServer(server) && serverSettings(server) !== undefined ? { by: byServer } : {};
}

const byServer: KeepAliveHolder = { rank: ranks[EXPLICIT], name: 'keepAliveServer' };

function inspectListener(server: net.Server): InspectedKeepAlive {
  const address = server.address();
  const settings = serverSettings(server);
  const common = {
    kind: 'listener',
    local: isObject(address) ? { address: address.address, port: address.port } : {},
    ...(settings && { by: byServer, held: settings }),
  } as const;
  try {
    const fd = listenerDescriptor(server);
    if (fd === NO_DESCRIPTOR) throw notListening(server);
    const options = readSettings(fd);
    trustSettings(options);
    return {
      ...common,
      options,
      detection: predictDetection(options),
      ...(readTcpInfoHere && { tcpInfo: readTcpInfoHere(fd) }),
    };
  } catch (error) {
    return { ...common, error: error as Error };
  }
}

function notListening({ listening }: net.Server): Error {
  return listening
    ? keepAliveError(
        'ERR_KEEPALIVE_NO_DESCRIPTOR',
        'Expected a server with a listening socket of its own, got one without: the primary of the cluster has it, or this runtime shows none',
      )
    : keepAliveError('ERR_KEEPALIVE_NOT_CONNECTED', 'Expected a server that listens, got one that does not');
}

/** The prediction for a connection, and in how long it is lost. */
function futureOf(
  options: KeepAliveSettings,
  info: LinuxTcpInfo,
): Required<Pick<InspectedKeepAlive, 'detection' | 'state' | 'lostIn'>> {
  // Each retransmission has doubled it.
  const rto = Math.max(1, info.rto / 2 ** info.backoff);
  const detection = predictDetection(options, { rto });
  const state = stateOf(info);
  const [atLeast, atMost] = elapsedOf(state, info, rto, options.maxRetransmitInterval);
  const { earliest, nominal, latest } = detection[state];
  const lostIn = {
    earliest: Math.max(0, earliest - atMost),
    nominal: Math.max(0, nominal - atLeast),
    latest: Math.max(0, latest - atLeast),
  };
  return { detection, state, lostIn };
}

/**
 * How much of the time until a loss is over, at least and at most. The clock of data began with the write, which the
 * kernel does not report: it is as long ago as the waits for each retransmission, which may be late by an eighth.
 */
function elapsedOf(
  state: LossState,
  info: LinuxTcpInfo,
  rto: number,
  longest = 120_000,
): readonly [atLeast: number, atMost: number] {
  const silence = silenceOf(info);
  if (state === 'idle') return [silence, silence];
  let waited = info.lastDataSent;
  for (let sent = 0; sent < info.retransmits; sent++) waited += Math.min(rto * 2 ** sent, longest);
  return [Math.min(waited, silence), Math.min(waited * 1.125 + rto, silence)];
}
