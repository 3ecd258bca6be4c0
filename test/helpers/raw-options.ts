import type net from 'node:net';
import { linux } from '../../native-bindings/platforms/linux.ts';
import type { OptionEntry } from '../../native-bindings/platforms/table.ts';
import { getOption, setOption } from '../../native-bindings/sockopt.ts';

/** The descriptor of a socket or server, read without src/. */
export function fdOf(socket: net.Socket | net.Server): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

/** The kernel's own values, in its own units: `enable:idle/intvl/cnt ut`, such as `1:10/5/3 24500`. */
export function kernelValues(socket: net.Socket | net.Server): string {
  const fd = fdOf(socket);
  const read = (entry: OptionEntry | undefined) => (entry === undefined ? '?' : getOption(fd, entry));
  const [on, idle, intvl, cnt, ut] = [
    read(linux.enable),
    read(linux.initialDelay),
    read(linux.interval),
    read(linux.count),
    read(linux.userTimeout),
  ];
  return `${on}:${idle}/${intvl}/${cnt} ${ut}`;
}

/** Writes one option without the library, as another program would, in the kernel's unit. */
export function writeRaw(socket: net.Socket | net.Server, option: keyof typeof linux, value: number): void {
  const entry = linux[option];
  if (entry === undefined) throw new Error(`no ${option} on Linux`);
  setOption(fdOf(socket), entry, value);
}
