import type * as Koffi from 'koffi';
import { keepAliveError, loadKoffi } from '#core';

/**
 * Loads koffi: Node's own FFI is not enough for the calls of this folder.
 *
 * @throws `ERR_KEEPALIVE_UNSUPPORTED`
 */
export function koffiHere(): typeof Koffi {
  if (process.platform !== 'linux') {
    throw keepAliveError(
      'ERR_KEEPALIVE_UNSUPPORTED',
      `Cannot list the sockets of a machine on ${process.platform}: only Linux can`,
    );
  }
  try {
    return loadKoffi();
  } catch (error) {
    throw keepAliveError('ERR_KEEPALIVE_UNSUPPORTED', (error as Error).message, { cause: error });
  }
}
