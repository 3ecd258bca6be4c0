import { readdirSync } from 'node:fs';
import { bindLibuv, type Libuv } from '../../native-bindings/libuv.ts';
import { loadKoffi } from '../../native-bindings/load-koffi.ts';
import { bindSocketNames, type SocketName, type SocketNames } from '../../native-bindings/socket-names.ts';
import { textOfIpv4, textOfIpv6 } from './address.ts';

/** Both ends of a connection, as its runtime shows them. Together they mean one connection of this machine. */
export interface Ends {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** The folder that lists the descriptors of this process; on Linux it leads to /proc/self/fd. */
const DESCRIPTORS = '/dev/fd';

const libuv = once((): Libuv => bindLibuv(loadKoffi()));
const names = once((): SocketNames => bindSocketNames(loadKoffi()));

/** Calls a function once, and from then on returns its result or throws its error. */
function once<T>(work: () => T): () => T {
  let outcome: { value: T } | { error: unknown } | undefined;
  return () => {
    try {
      outcome ??= { value: work() };
    } catch (error) {
      outcome = { error };
    }
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  };
}

/**
 * Finds libuv's own handle of a connection of this thread, by its ends.
 *
 * @returns its address, which stays the same until it is closed; `undefined` if there is none
 * @throws an error if koffi cannot be loaded, or this runtime shows no handles
 */
export function findHandle(ends: Ends): number | undefined {
  const uv = libuv();
  // A connection is mostly looked for when it is new, and the newest handles are the last.
  return uv.handles().findLast((handle) => uv.readNames(handle) && areThose(uv, ends));
}

/**
 * The descriptor of libuv's handle, or its SOCKET on Windows; `undefined` if it is closing.
 *
 * @param handle - what {@link findHandle} gave, if the handle is known to be open still
 */
export function descriptorOfHandle(handle: number): number | undefined {
  return libuv().descriptor(handle);
}

/**
 * Finds the descriptor of a connection by its ends, among all of this process.
 *
 * @throws an error if koffi cannot be loaded, or this process may not list its descriptors
 */
export function findDescriptor(ends: Ends): number | undefined {
  return readdirSync(DESCRIPTORS)
    .map(Number)
    .find((fd) => hasEnds(fd, ends));
}

/** Whether a descriptor is that of the connection with these ends. */
export function hasEnds(fd: number, ends: Ends): boolean {
  return names().read(fd) && areThose(names(), ends);
}

/** The reason why {@link findHandle} finds nothing here, or `undefined`. */
export function obstacleToHandles(): string | undefined {
  return failureOf(libuv);
}

/** The reason why {@link findDescriptor} finds nothing here, or `undefined`. */
export function obstacleToDescriptors(): string | undefined {
  return failureOf(() => {
    names();
    readdirSync(DESCRIPTORS);
  });
}

function failureOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function areThose({ local, remote }: Pick<SocketNames, 'local' | 'remote'>, ends: Ends): boolean {
  return (
    isName(remote, ends.remotePort, ends.remoteAddress) && isName(local, ends.localPort, ends.localAddress)
  );
}

const LENGTH_OF_IPV4 = 16;
const LENGTH_OF_IPV6 = 28;

/** The family has another number and place on each system, so that the length shows it here. */
function isName({ bytes, length }: SocketName, port: number, address: string): boolean {
  if (((bytes[2] ?? 0) << 8) + (bytes[3] ?? 0) !== port) return false;
  if (length === LENGTH_OF_IPV4) return textOfIpv4(bytes, 4) === address;
  // Node adds the zone to a link-local address.
  return length === LENGTH_OF_IPV6 && textOfIpv6(bytes, 8) === address.replace(/%.*/, '');
}
