import diagnostics from 'node:diagnostics_channel';
import type { KeepAliveLostMessage } from '../sockets/events.ts';

/**
 * Tells how long the peer of each lost connection had been silent, from now on.
 *
 * @param record - called with a time in seconds
 * @returns a function that ends it
 */
export function onDetection(record: (seconds: number) => void): () => void {
  const onLost = (message: unknown) => {
    const { silence } = message as KeepAliveLostMessage;
    if (silence !== undefined) record(silence / 1_000);
  };
  diagnostics.subscribe('tcp-keepalive:lost', onLost);
  return () => {
    diagnostics.unsubscribe('tcp-keepalive:lost', onLost);
  };
}
