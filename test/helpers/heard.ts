import diagnostics from 'node:diagnostics_channel';
import type net from 'node:net';
import type {
  KeepAliveLostMessage,
  KeepAliveRestoredMessage,
  KeepAliveSetMessage,
  KeepAliveSkippedMessage,
} from 'tcp-keepalive';
import { onTestFinished } from 'vitest';

interface Messages {
  set: KeepAliveSetMessage;
  restored: KeepAliveRestoredMessage;
  skipped: KeepAliveSkippedMessage;
  lost: KeepAliveLostMessage;
}

/** Collects the messages of a channel about some sockets, until the test ends. */
export function heard<Name extends keyof Messages>(
  channel: Name,
  ends: (finished: () => void) => unknown = onTestFinished,
): { of(socket: net.Socket): Messages[Name][]; readonly all: Messages[Name][] } {
  const all: Messages[Name][] = [];
  const listener = (message: unknown) => void all.push(message as Messages[Name]);
  diagnostics.subscribe(`tcp-keepalive:${channel}`, listener);
  ends(() => diagnostics.unsubscribe(`tcp-keepalive:${channel}`, listener));
  return { all, of: (socket) => all.filter((message) => message.socket === socket) };
}
