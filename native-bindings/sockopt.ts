import { CAPACITY, loadLibc } from './libc.ts';
import type { OptionEntry, Unit } from './platforms/table.ts';
import { systemCallError } from './system-error.ts';

const UNIT_IN_LIBRARY: Record<Unit, number> = { none: 1, second: 1000, millisecond: 1 };

/** Converts a value of this library to the kernel's unit, rounded up. */
export function toKernel(entry: OptionEntry, value: number): number {
  return Math.ceil(value / UNIT_IN_LIBRARY[entry.unit]);
}

/** Converts a value of the kernel to milliseconds, if it is a time. */
export function fromKernel(entry: OptionEntry, value: number): number {
  return value * UNIT_IN_LIBRARY[entry.unit];
}

/**
 * Sets one option to a number that {@link toKernel} made.
 *
 * @throws the system call's error; the option is then unchanged.
 */
export function setOption(fd: number, entry: OptionEntry, kernelValue: number): void {
  const libc = loadLibc();
  libc.memory[0] = kernelValue;
  if (libc.setsockopt(fd, entry.level, entry.name) !== 0) {
    throw systemCallError(libc, 'setsockopt', entry.constant);
  }
}

/**
 * Reads one option back, in the kernel's unit.
 *
 * @throws the system call's error.
 */
export function getOption(fd: number, entry: OptionEntry): number {
  const libc = loadLibc();
  // If a kernel keeps an option as a shorter type, it fills only a part of the number.
  libc.memory[0] = 0;
  libc.memory[libc.lengthIndex] = 4;
  if (libc.getsockopt(fd, entry.level, entry.name) !== 0) {
    throw systemCallError(libc, 'getsockopt', entry.constant);
  }
  return libc.memory[0];
}

/** A structure that the kernel filled. The next call overwrites this memory. */
export interface Structure {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** The bytes that the kernel filled; an older kernel has fewer fields. */
  readonly length: number;
}

/**
 * Reads a structure, such as `struct tcp_info`.
 *
 * @throws the system call's error.
 */
export function getStructure(fd: number, entry: Omit<OptionEntry, 'unit'>): Structure {
  const libc = loadLibc();
  libc.memory[libc.lengthIndex] = CAPACITY;
  if (libc.getsockopt(fd, entry.level, entry.name) !== 0) {
    throw systemCallError(libc, 'getsockopt', entry.constant);
  }
  return { words: libc.memory, bytes: libc.bytes, length: libc.memory[libc.lengthIndex] ?? 0 };
}

/** `POLLERR`, the same on every system. */
export const POLLERR = 0x8;

/** Polls a descriptor for nothing but what always counts. Returns the low byte of `revents`: errors and the end. */
export function pollEvents(fd: number): number {
  const libc = loadLibc();
  libc.memory[0] = fd;
  libc.memory[1] = 0;
  libc.poll();
  // `revents` is the second half of the second word, and its other byte is 0 in either byte order.
  return (libc.bytes[6] ?? 0) | (libc.bytes[7] ?? 0);
}
