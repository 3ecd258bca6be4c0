import diagnostics from 'node:diagnostics_channel';
import net from 'node:net';
import { attempt } from '../sockets/report.ts';

// Of the three mechanisms below, two are there for old Nodes only. A diagnostics channel tells of every
// Socket#connect from Node 22.17 and 24.2 on (nodejs/node#58349). Before that, and in all of Node 20, it
// tells of net.connect alone, and so misses all of TLS and the drivers that make their own sockets:
// there connect is wrapped on the prototype, and a probe finds out which of the two is needed. Once
// `engines` begins at 22.17 and excludes 24.0 and 24.1, the wrapper and the probe can go, and `refresh`
// with them.

/** Told of a socket at its `'connect'`, with the name that was looked up for it, if one was. */
export type OnConnect = (socket: net.Socket, host: string | undefined) => void;

type See = (socket: net.Socket) => void;
type Connect = (this: net.Socket, ...args: unknown[]) => net.Socket;

const CHANNEL = 'net.client.socket';

/** A watch over the connections that this thread opens. */
export interface ClientWatch {
  /** Sees to it that connections are seen again if another tool has put an end to that. */
  refresh(): void;
  stop(): void;
}

/**
 * Watches every connection that this thread opens, by whatever library: `net`, `tls`, `http`, `fetch`.
 *
 * Our listener comes before all others, so that what they see is set already. What goes wrong in
 * `onConnect` becomes a process warning: it must not end a connection that works without.
 */
export function watchClientConnections(onConnect: OnConnect): ClientWatch {
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
  function connected(this: net.Socket): void {
    if (isWatching) attempt(undefined, () => onConnect(this, hosts.get(this)));
  }
  // One pair of listeners for all sockets, put on afresh for each connect(), since a socket may be
  // connected again, and some drivers remove all listeners.
  const see: See = (socket) =>
    attempt(undefined, () => {
      hosts.delete(socket);
      socket.removeListener('lookup', lookedUp);
      socket.removeListener('connect', connected);
      socket.on('lookup', lookedUp);
      socket.prependListener('connect', connected);
    });

  const watch = channelSeesEverything() ? subscribe(see) : wrapConnect(see);
  return {
    refresh: watch.refresh,
    stop() {
      isWatching = false;
      watch.stop();
    },
  };
}

/** Whether the diagnostics channel tells of every `Socket#connect`. */
function channelSeesEverything(): boolean {
  return seesConnect((see) => subscribe(see).stop);
}

/** Tries a watch on a connect that fails before it does anything. */
function seesConnect(watch: (see: See) => () => void): boolean {
  const socket = new net.Socket();
  // A tool that wraps connect may turn what it throws into an error of the socket.
  socket.on('error', () => {});
  let isSeen = false;
  const end = watch((seen) => {
    if (seen === socket) isSeen = true;
  });
  try {
    socket.connect({ port: -1 });
  } catch {
    // ERR_SOCKET_BAD_PORT is meant to be thrown.
  } finally {
    end();
    socket.destroy();
  }
  return isSeen;
}

function subscribe(see: See): ClientWatch {
  const onMessage = (message: unknown) => {
    const { socket } = (message ?? {}) as { socket?: net.Socket };
    if (socket !== undefined) see(socket);
  };
  diagnostics.subscribe(CHANNEL, onMessage);
  return {
    refresh() {
      // Nobody else can end it.
    },
    stop() {
      diagnostics.unsubscribe(CHANNEL, onMessage);
    },
  };
}

/** Our `connect` on the prototype. */
interface Wrapper {
  /** Told of each socket before it connects; without it the wrapper passes everything through. */
  see: See | undefined;
  /** Takes it off again, unless another wrapper lies over it. */
  remove(): boolean;
}

// While another wrapper lies over ours it stays in place, and is used again.
let wrapper: Wrapper | undefined;

function wrapConnect(see: See): ClientWatch {
  let ours = calledWrapper();
  ours.see = see;
  return {
    refresh() {
      ours.see = undefined;
      ours = calledWrapper();
      ours.see = see;
    },
    stop() {
      ours.see = undefined;
      if (ours.remove()) wrapper = undefined;
    },
  };
}

/** The wrapper that is in place, or a new one if a tool that came before ours has taken both off. */
function calledWrapper(): Wrapper {
  if (wrapper === undefined || !isCalled(wrapper)) wrapper = putWrapper();
  return wrapper;
}

function isCalled(ours: Wrapper): boolean {
  return seesConnect((see) => {
    ours.see = see;
    return () => {
      ours.see = undefined;
    };
  });
}

function putWrapper(): Wrapper {
  const prototype = net.Socket.prototype as { connect: Connect };
  const original = prototype.connect;
  const ours: Wrapper = {
    see: undefined,
    remove() {
      if (prototype.connect !== connect) return false;
      prototype.connect = original;
      return true;
    },
  };
  function connect(this: net.Socket, ...args: unknown[]): net.Socket {
    ours.see?.(this);
    return Reflect.apply(original, this, args);
  }
  prototype.connect = connect;
  return ours;
}
