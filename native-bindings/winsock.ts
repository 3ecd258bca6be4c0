import type * as Koffi from 'koffi';
import type { SystemCalls } from './libc.ts';

/**
 * Winsock's error numbers, by the names that other systems give to the same errors.
 *
 * @see https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2
 */
export const winsockErrors: Readonly<Record<string, number>> = Object.freeze({
  EACCES: 10_013,
  EFAULT: 10_014,
  EINVAL: 10_022,
  EINPROGRESS: 10_036,
  ENOTSOCK: 10_038,
  ENOPROTOOPT: 10_042,
  EOPNOTSUPP: 10_045,
  ENETDOWN: 10_050,
  ENETRESET: 10_052,
  ECONNABORTED: 10_053,
  ECONNRESET: 10_054,
  ENOBUFS: 10_055,
  ENOTCONN: 10_057,
});

/** Winsock in place of the C library. A SOCKET is as wide as a pointer, and errors are numbered in another way. */
export function winsock(koffi: typeof Koffi): SystemCalls {
  const library = koffi.load('ws2_32.dll');
  const func: SystemCalls['func'] = (name, result, parameters) =>
    library.func('__stdcall', name, result, parameters);
  return {
    func,
    descriptor: 'uintptr_t',
    errno: func('WSAGetLastError', 'int', []),
    errorNumbers: winsockErrors,
  };
}
