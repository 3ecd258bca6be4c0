import type * as Koffi from 'koffi';

/** Native memory that never moves and is never freed. */
export interface NativeMemory {
  readonly buffer: ArrayBuffer;
  /**
   * The address of a byte, for a parameter of type `uintptr_t`: a number, because koffi has nothing to convert then.
   * Android keeps a tag in the highest byte, and such an address needs a bigint.
   */
  at(offset: number): number | bigint;
}

/** Allocates native memory, filled with zeros. */
export function allocate(koffi: typeof Koffi, size: number): NativeMemory {
  const pointer = koffi.alloc('char', size);
  const begin = BigInt(koffi.address(pointer));
  const buffer = koffi.view(pointer, size);
  new Uint8Array(buffer).fill(0);
  const first = Number(begin);
  const isNumber = Number.isSafeInteger(first + size);
  return { buffer, at: isNumber ? (offset) => first + offset : (offset) => begin + BigInt(offset) };
}
