import diagnostics from 'node:diagnostics_channel';
import net from 'node:net';
import { attempt } from '../sockets/report.ts';

// Of the three mechanisms below, two serve old versions of Node only. A diagnostics channel announces every
// Socket#connect from Node 22.17 and 24.2 on (nodejs/node#58349). Before that, and in all of Node 20, it
// announces only net.connect, and so misses TLS and drivers that make their own sockets: connect is then
// wrapped on the prototype, and a probe finds out which of the two is needed. Once `engines` begins at
// 22.17 and excludes 24.0 and 24.1, the wrapper, the probe and `refresh` can go.

/** Called with a socket at its `'connect'`, and with the name that was looked up for it, if there was one. */
export type OnConnect = (socket: net.Socket, host: string | undefined) => void;

type See = (socket: net.Socket) => void;
type Connect = (this: net.Socket, ...args: unknown[]) => net.Socket;

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
 * Our listener comes before all others, so that they find the options set. An error in `onConnect` becomes
 * a process warning: it must not end a connection that works without.
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
  // One pair of listeners serves all sockets. It is added again at each connect(), since a socket may
  // connect several times, and some drivers remove all listeners.
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

/** Whether the diagnostics channel announces every `Socket#connect`. */
function channelSeesEverything(): boolean {
  return seesConnect((see) => subscribe(see).stop);
}

/** Tries a watch on a connect that fails before it does anything. */
function seesConnect(watch: (see: See) => () => void): boolean {
  const socket = new net.Socket();
  // A tool that wraps connect may turn its exception into an 'error' event.
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

/** The `connect` of this library on the prototype. */
interface Wrapper {
  /** Called with each socket before it connects; if absent, the wrapper only calls the original. */
  see: See | undefined;
  /** Removes the wrapper, unless another tool has wrapped it. Returns whether it did. */
  remove(): boolean;
}

// A wrapper that another tool has wrapped cannot be removed, so it is kept and used again.
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

/** The wrapper in place, or a new one if a tool has put back the `connect` from before ours. */
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
