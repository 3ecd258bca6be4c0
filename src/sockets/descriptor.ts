import {
  descriptorOfHandle,
  type Ends,
  findDescriptor,
  findHandle,
  hasEnds,
  obstacleToDescriptors,
  obstacleToHandles,
} from '../kernel/find.ts';

// Each runtime's own way to the descriptor of a connection:
// - Node shows it as `_handle.fd`, and so does Bun, except for the sockets of its http servers.
// - On Windows Node does not, but libuv's functions do, given libuv's own handle.
// - Deno shows none. As for those of Bun, each descriptor of the process is asked for its addresses.

/** In place of a descriptor if there is none, or none can be found. */
export const NO_DESCRIPTOR = -1;

/** A runtime's object for a connection, as far as it shows the connection's ends. */
export interface NamedHandle {
  /** @returns 0 if it is open */
  getsockname?(name: object): number;
  /** @returns 0 if it is connected */
  getpeername?(name: object): number;
}

type MaybeEnds = { readonly [end in keyof Ends]?: Ends[end] | undefined };

/** The address of libuv's handle for each of Node's. Node's ends with it, or before it. */
const handles = new WeakMap<object, number>();
/** The descriptor that was found for each connection. */
const descriptors = new WeakMap<object, number>();

/**
 * The descriptor of a handle that does not show it, found once for each handle. Use it before other code can run.
 *
 * @returns {@link NO_DESCRIPTOR} also if the handle is not connected
 */
export function descriptorBehind(handle: NamedHandle): number {
  if (process.platform === 'win32') return found(() => socketOf(handle));
  return isHidingRuntime() ? found(() => withEnds(handle, endsOf(handle))) : NO_DESCRIPTOR;
}

/** The same for a socket that has no handle: one of Bun's http servers. */
export function descriptorWithoutHandle(socket: MaybeEnds): number {
  const isConnected = typeof socket.remoteAddress === 'string';
  return isConnected && isHidingRuntime() ? found(() => withEnds(socket, socket as Ends)) : NO_DESCRIPTOR;
}

/** The reason why no connection has a descriptor here, or `undefined`. This loads koffi. */
export function obstacleToFinding(): string | undefined {
  if (process.platform === 'win32') return told('Windows', obstacleToHandles());
  return 'Deno' in globalThis ? told('Deno', obstacleToDescriptors()) : undefined;
}

function told(where: string, obstacle: string | undefined): string | undefined {
  return obstacle && `${where} shows no descriptor, and none can be found: ${obstacle}`;
}

function isHidingRuntime(): boolean {
  return 'Deno' in globalThis || 'Bun' in globalThis;
}

/** {@link obstacleToFinding} returns what prevents finding it. */
function found(find: () => number | undefined): number {
  try {
    return find() ?? NO_DESCRIPTOR;
  } catch {
    return NO_DESCRIPTOR;
  }
}

function socketOf(handle: NamedHandle): number | undefined {
  // If Node's handle is connected, libuv's is open, and still at the address at which it was found.
  const ends = endsOf(handle);
  const address = ends && (handles.get(handle) ?? findHandle(ends));
  if (address === undefined) return undefined;
  handles.set(handle, address);
  return descriptorOfHandle(address);
}

function withEnds(connection: object, ends: Ends | undefined): number | undefined {
  if (ends === undefined) return undefined;
  // The number may belong to another connection by now.
  const known = descriptors.get(connection);
  if (known !== undefined && hasEnds(known, ends)) return known;
  const fd = findDescriptor(ends);
  if (fd !== undefined) descriptors.set(connection, fd);
  return fd;
}

interface Name {
  readonly address: string;
  readonly port: number;
}

function endsOf(handle: NamedHandle): Ends | undefined {
  const local = nameBy('getsockname', handle);
  const remote = local && nameBy('getpeername', handle);
  return (
    remote && {
      localAddress: local.address,
      localPort: local.port,
      remoteAddress: remote.address,
      remotePort: remote.port,
    }
  );
}

function nameBy(method: keyof NamedHandle, handle: NamedHandle): Name | undefined {
  const name = {};
  return handle[method]?.(name) === 0 ? (name as Name) : undefined;
}
