import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionTable } from './table.ts';

/**
 * Windows. Node has no descriptor there, so the library calls Node's own `setKeepAlive` instead. This table
 * only provides the names of the constants for messages.
 *
 * @see https://learn.microsoft.com/windows/win32/winsock/ipproto-tcp-socket-options
 */
export const win32: OptionTable = {
  userTimeout: { level: IPPROTO_TCP, name: 14, unit: 'millisecond', constant: 'TCP_MAXRTMS' },
  initialDelay: { level: IPPROTO_TCP, name: 3, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 17, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 16, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};
