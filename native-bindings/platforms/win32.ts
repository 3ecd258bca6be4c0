import { BSD_SO_KEEPALIVE, IPPROTO_TCP, type OptionEntry, type OptionTable } from './table.ts';

const TCP_MAXRT: OptionEntry = { level: IPPROTO_TCP, name: 5, unit: 'second', constant: 'TCP_MAXRT' };

/**
 * Windows. `TCP_KEEPIDLE` and the next two came with Windows 10, versions 1703 and 1709; the bound on unacknowledged data
 * in milliseconds with 1607, and in seconds before that. An older release answers `WSAENOPROTOOPT`: Node's own call then
 * sets what it can.
 *
 * @see https://learn.microsoft.com/windows/win32/winsock/ipproto-tcp-socket-options
 */
export const win32: OptionTable = {
  userTimeout: {
    level: IPPROTO_TCP,
    name: 14,
    unit: 'millisecond',
    constant: 'TCP_MAXRTMS',
    older: TCP_MAXRT,
  },
  initialDelay: { level: IPPROTO_TCP, name: 3, unit: 'second', constant: 'TCP_KEEPIDLE' },
  interval: { level: IPPROTO_TCP, name: 17, unit: 'second', constant: 'TCP_KEEPINTVL' },
  count: { level: IPPROTO_TCP, name: 16, unit: 'none', constant: 'TCP_KEEPCNT' },
  enable: BSD_SO_KEEPALIVE,
};
