import diagnostics from 'node:diagnostics_channel';
import net from 'node:net';
import { attempt, printLine } from '../sockets/report.ts';

// Of the two mechanisms below, the wrapper serves old versions of Node only. A diagnostics channel announces
// every Socket#connect from Node 22.17 and 24.2 on (nodejs/node#58349). Before that, and in all of Node 20, it
// announces only net.connect, and so misses TLS and drivers that make their own sockets: connect is then
// wrapped on the prototype. Which of the two this Node is shows at the first connect of the program, after
// which the wrapper goes if it is not needed. Once `engines` begins at 22.17 and excludes 24.0 and 24.1, the
// wrapper and `refresh` can go.

/** A listener is called for each socket that this thread opens. */
export interface ClientListener {
  /** One turn after each attempt to connect, when the kernel has a socket for it. Node has this from 20.12 on. */
  onAttempt(socket: net.Socket, attempt: Attempt): void;
  /** At `'connect'`, with the name that was looked up, if there was one. */
  onConnect(socket: net.Socket, host: string | undefined): void;
}

/** The address that a socket tries, and the name that was looked up for it, if there was one. */
export interface Attempt {
  readonly host: string | undefined;
  readonly address: string;
  readonly port: number;
}

type See = (socket: net.Socket) => void;
type Connect = (this: net.Socket, ...args: unknown[]) => net.Socket;

// Captured now, so that a test's fake timers cannot stop it.
const nextTick = process.nextTick;

const CHANNEL = 'net.client.socket';

/** A watch over the connections that this thread opens. */
export interface ClientWatch {
  /** Restores the watch if another tool has removed it. */
  refresh(): void;
  stop(): void;
}

/**
 * Watches every connection that this thread opens, by whatever library: `net`, `tls`, `http`, `fetch`.
 *
 * Our listener comes before all others, so that they find the options set. An error in `listener` becomes
 * a process warning: it must not end a connection that works without.
 */
export function watchClientConnections(listener: ClientListener): ClientWatch {
  const hosts = new WeakMap<net.Socket, string>();
  let isWatching = true;

  // 'lookup' is the only public source of the host name; Node emits none for a literal address.
  function lookedUp(
    this: net.Socket,
    _error: unknown,
    _address: unknown,
    _family: unknown,
    host: unknown,
  ): void {
    if (typeof host === 'string') hosts.set(this, host);
  }
  // Node emits it before it connects, and several times for a name with several addresses.
  function attempted(this: net.Socket, address: string, port: number | undefined): void {
    // A Unix socket has a path only.
    if (port !== undefined) nextTick(begun, this, address, port);
  }
  function begun(socket: net.Socket, address: string, port: number): void {
    if (!isWatching || !socket.connecting) return;
    attempt(undefined, () => listener.onAttempt(socket, { host: hosts.get(socket), address, port }));
  }
  function connected(this: net.Socket): void {
    stopListening(this);
    if (isWatching) attempt(undefined, () => listener.onConnect(this, hosts.get(this)));
  }
  function stopListening(socket: net.Socket): void {
    socket.removeListener('lookup', lookedUp);
    socket.removeListener('connectionAttempt', attempted);
    socket.removeListener('connect', connected);
  }
  // These three listeners serve all sockets. They are added at each connect(), since a socket may connect
  // several times, and some drivers remove all listeners; and they go once the socket is connected.
  const see: See = (socket) =>
    attempt(undefined, () => {
      hosts.delete(socket);
      stopListening(socket);
      socket.on('lookup', lookedUp);
      socket.on('connectionAttempt', attempted);
      socket.prependListener('connect', connected);
    });

  const onMessage = (message: unknown) => {
    const { socket } = (message ?? {}) as { socket?: net.Socket };
    if (socket === undefined) return;
    announced = socket;
    see(socket);
  };
  diagnostics.subscribe(CHANNEL, onMessage);
  watching = see;
  wrapConnect();
  return {
    refresh: wrapConnect,
    stop() {
      isWatching = false;
      watching = undefined;
      diagnostics.unsubscribe(CHANNEL, onMessage);
      unwrapConnect();
    },
  };
}

/** Called by the wrappers with each socket before it connects; if absent, they only call the original. */
let watching: See | undefined;

/** The socket that the channel announced last. */
let announced: net.Socket | undefined;

/** Whether the channel has announced a socket from within `Socket#connect`, and so announces every one. */
let isChannelEnough = false;

/** The `connect` of this library on the prototype, and the one that was there before. */
let wrapper: { readonly connect: Connect; readonly original: Connect } | undefined;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

/** Whether this Node announces every connect by its version. Only a warning depends on that. */
const isAnnounced = major > 24 || (major === 24 && minor >= 2) || (major === 22 && minor >= 17);

const prototype = net.Socket.prototype as { connect: Connect };

/**
 * Puts a wrapper in place unless it is there. If another tool has wrapped it, or has put back what was there
 * before, another one is added: whether the first is still called would show only at a connect.
 */
function wrapConnect(): void {
  if (isChannelEnough || (wrapper !== undefined && prototype.connect === wrapper.connect)) return;
  const original = prototype.connect;
  function connect(this: net.Socket, ...args: unknown[]): net.Socket {
    watching?.(this);
    announced = undefined;
    try {
      return Reflect.apply(original, this, args);
    } finally {
      if (announced === this) {
        isChannelEnough = true;
        unwrapConnect();
      }
      announced = undefined;
    }
  }
  // A program may have frozen the prototype, and must start all the same.
  if (Reflect.set(prototype, 'connect', connect)) wrapper = { connect, original };
  else if (!isAnnounced) tellOfFrozenPrototype();
}

/** This is no process warning: Node itself cannot open its standard error then, and would end the process. */
function tellOfFrozenPrototype(): void {
  printLine(
    'Cannot wrap net.Socket.prototype.connect, which is frozen; on this version of Node rules then ' +
      'miss TLS and every driver that makes its own sockets; set the rules before it is frozen',
  );
}

/** Removes the wrapper, unless another tool has wrapped it: it then stays, and only calls the original. */
function unwrapConnect(): void {
  if (wrapper !== undefined && prototype.connect === wrapper.connect) {
    Reflect.set(prototype, 'connect', wrapper.original);
  }
  wrapper = undefined;
}
