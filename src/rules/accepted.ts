import diagnostics from 'node:diagnostics_channel';
import type net from 'node:net';
import type { KeepAliveSettings } from '../options/options.ts';
import { reportErrorAtEnd } from '../sockets/ending.ts';
import { listenerHandle } from '../sockets/handle.ts';
import { heldBy, holdOf, SERVER } from '../sockets/hold-record.ts';
import { ALL, type ChangedListener, changeListener, nextInherits, putBack } from '../sockets/listener.ts';
import { watchAccepted } from '../sockets/reap.ts';
import { attempt } from '../sockets/report.ts';
import { serverSettings } from '../sockets/server.ts';

/** The options of a listener's connections: the same for all, decided by peer, or none. */
export type ListenerDecision = KeepAliveSettings | 'by peer' | undefined;

/** Asks the rules when a listener is found and when a connection is accepted. */
export interface ListenerRules {
  decide(port: number): ListenerDecision;
  /** @param inherits - whether the connection has its options from the listener */
  onAccepted(socket: net.Socket, port: number, inherits: boolean): void;
}

interface Listener extends ChangedListener {
  readonly port: number;
  readonly decision: ListenerDecision;
}

/** A watch over this thread's listeners. */
export interface ListenerWatch {
  /** Applies rules that have changed. */
  refresh(): void;
  /** Ends the watch, and restores the options of the listening sockets. */
  stop(): void;
}

/**
 * Watches every listener of this thread, and every connection it accepts.
 *
 * If all its connections get the same options, the listening socket is set and they inherit. A listener
 * that began before, or that Node did not announce (before 20.16 and 22.3), is found by its first connection.
 */
export function watchListeners(rules: ListenerRules): ListenerWatch {
  const listeners = new Map<net.Server, Listener>();

  function adopt(server: net.Server): Listener | undefined {
    const port = listeningPort(server);
    if (port === undefined) return undefined;
    forgetTheGone();
    if (!listeners.has(server)) server.on('close', forget).on('secureConnection', secured);
    const listener = prepare(server, port, SERVER in server ? undefined : rules.decide(port));
    listeners.set(server, listener);
    return listener;
  }

  function forget(this: net.Server): void {
    // 'close' waits for the last old connection, and the server may be listening again by then.
    if (this.listening) return;
    leave(this);
    listeners.delete(this);
  }

  function leave(server: net.Server): void {
    server.removeListener('close', forget).removeListener('secureConnection', secured);
  }

  // TLS lies over what was accepted, and is what is read.
  function secured(this: net.Server, socket: net.Socket): void {
    const decision = listeners.get(this)?.decision;
    const settings = decision === 'by peer' ? heldBy(holdOf(socket)) : decision;
    if (settings === undefined) return;
    reportErrorAtEnd(socket);
    watchAccepted(socket, settings);
  }

  // The primary of a cluster takes the listening socket from its server, which then emits no 'close'.
  function forgetTheGone(): void {
    for (const server of listeners.keys()) forget.call(server);
  }

  function accepted(socket: net.Socket): void {
    const { server } = socket as { server?: net.Server };
    if (server === undefined) return;
    if (SERVER in server) {
      watchAccepted(socket, serverSettings(server));
      return;
    }
    const known = listeners.get(server);
    // The server may have been closed and listen again, on another socket.
    const isKnown = known !== undefined && known.handle === listenerHandle(server);
    const listener = isKnown ? known : adopt(server);
    if (listener === undefined) return;
    if (typeof listener.decision === 'object') {
      reportErrorAtEnd(socket);
      watchAccepted(socket, listener.decision);
    }
    // The connection by which a listener was found is not counted: it had already left the accept queue.
    rules.onAccepted(socket, listener.port, isKnown && nextInherits(listener));
  }

  const unsubscribe = [
    subscribe('tracing:net.server.listen:asyncEnd', ({ server }) => {
      if (server !== undefined) adopt(server);
    }),
    subscribe('net.server.socket', ({ socket }) => {
      if (socket !== undefined) accepted(socket);
    }),
  ];

  return {
    refresh() {
      for (const [server, listener] of listeners) {
        restore(server, listener);
        adopt(server);
      }
    },
    stop() {
      for (const end of unsubscribe) end();
      for (const [server, listener] of listeners) {
        restore(server, listener);
        leave(server);
      }
      listeners.clear();
    },
  };
}

interface Message {
  readonly server?: net.Server;
  readonly socket?: net.Socket;
}

/** A subscriber that throws would end the process. */
function subscribe(channel: string, handle: (message: Message) => void): () => void {
  const onMessage = (message: unknown) => attempt(undefined, () => handle(message as Message));
  diagnostics.subscribe(channel, onMessage);
  return () => {
    diagnostics.unsubscribe(channel, onMessage);
  };
}

/** The port of a TCP listener; a Unix listener has a path instead. */
function listeningPort(server: net.Server): number | undefined {
  const address = server.address();
  return typeof address === 'object' ? address?.port : undefined;
}

function prepare(server: net.Server, port: number, decision: ListenerDecision): Listener {
  if (typeof decision === 'object') return { port, decision, ...changeListener(server, decision) };
  const oneByOne = decision === undefined ? 0 : ALL;
  return { port, decision, oneByOne, handle: listenerHandle(server), changed: undefined };
}

function restore(server: net.Server, listener: Listener): void {
  attempt(undefined, () => putBack(server, listener, serverSettings(server)));
}
