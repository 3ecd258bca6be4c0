import type net from 'node:net';
import { watchClosing } from './closing.ts';
import { announceHeld, isLossHeard } from './events.ts';
import { GIVEN, type Hold, type MarkedHandle, markedHandle } from './hold-record.ts';
import { rememberPeer } from './peer.ts';

/**
 * Sees to it that the loss of an accepted connection without a hold is announced. It costs nothing unless somebody
 * listens when the connection is accepted.
 *
 * @param given - what it was set by; all connections of a listener share it
 * @param isSet - whether the options were written to this very connection, which else has them from its listener
 */
export function noteGiven(socket: net.Socket, given: Hold, isSet = false): void {
  if (isSet) announceHeld(socket, given, false);
  const handle: MarkedHandle | undefined = isLossHeard() ? markedHandle(socket) : undefined;
  if (handle === undefined) return;
  rememberPeer(socket);
  handle[GIVEN] = given;
  watchClosing(handle);
}
