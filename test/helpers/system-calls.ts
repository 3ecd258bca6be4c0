import koffi from 'koffi';

// Calls that only tests make, because Node never would.
const libc = koffi.load(null);
const call = (name: string, ...parameters: string[]) => libc.func(name, 'int', parameters);

const dup: (fd: number) => number = call('dup', 'int');
const dup2: (from: number, to: number) => number = call('dup2', 'int', 'int');
export const closeDescriptor: (fd: number) => number = call('close', 'int');
export const openSocket: (domain: number, type: number, protocol: number) => number = call(
  'socket',
  'int',
  'int',
  'int',
);
type WithAddress = (fd: number, address: Buffer, length: number) => number;
const connect: WithAddress = call('connect', 'int', 'void *', 'uint32_t');
const bind: WithAddress = call('bind', 'int', 'void *', 'uint32_t');

/** Runs `fn` while a descriptor is closed without Node's knowledge, and reopens it afterwards. */
export function whileClosed(fd: number, fn: () => void): void {
  const spare = dup(fd);
  closeDescriptor(fd);
  try {
    fn();
  } finally {
    dup2(spare, fd);
    closeDescriptor(spare);
  }
}

/** Connects a descriptor to a port on 127.0.0.1, waiting for the handshake. Linux only. */
export function connectToLoopback(fd: number, port: number): number {
  return connect(fd, loopback(port), ADDRESS_SIZE);
}

/** Gives a descriptor a free port on 127.0.0.1. Linux only. */
export function bindToLoopback(fd: number): number {
  return bind(fd, loopback(0), ADDRESS_SIZE);
}

const ADDRESS_SIZE = 16;

/** A `struct sockaddr_in`. */
function loopback(port: number): Buffer {
  const address = Buffer.alloc(ADDRESS_SIZE);
  address[0] = 2;
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  return address;
}
