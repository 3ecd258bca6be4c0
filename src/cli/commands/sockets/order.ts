import { didYouMean } from '../../../options/show.ts';
import { UsageError } from '../../usage-error.ts';
import type { Shown } from './query.ts';

/** The column by which connections are ordered. */
export type Sort = 'peer' | 'state' | 'rtt' | 'next' | 'unanswered' | 'idle' | 'sent';

/** The part of a connection that is compared, once for each: the smallest comes first. */
const keys: Readonly<Record<Sort, (connection: Shown) => string | number>> = {
  peer: peerKey,
  state: ({ state }) => state,
  rtt: ({ info }) => -(info?.rtt ?? 0),
  next: ({ timer }) => timer?.expires ?? Infinity,
  unanswered: ({ timer }) => -(timer?.unanswered ?? 0),
  idle: ({ fate }) => -(fate.idle ?? 0),
  sent: ({ fate }) => -(fate.sent ?? 0),
};

/** Every column that can be chosen, in the order of the table. */
export const sorts: readonly Sort[] = Object.keys(keys) as Sort[];

export function parseSort(flag: string, text: string): Sort {
  if (Object.hasOwn(keys, text)) return text as Sort;
  throw new UsageError(
    `Expected \`${flag}\` to be ${sorts.join(', ')}, got \`${text}\`${didYouMean(text, sorts)}`,
  );
}

/**
 * Orders connections. By peer, which is the order without another, a process's are together; otherwise the process
 * with the first of them comes first.
 */
export function ordered(connections: readonly Shown[], sort: Sort): Shown[] {
  const key = keys[sort];
  const compared = connections.map((each) => {
    const keysOfEach = [key(each), ownerKey(each), peerKey(each)];
    return { each, keys: sort === 'peer' ? keysOfEach.slice(1) : keysOfEach };
  });
  const order = (a: readonly (string | number)[], b: readonly (string | number)[]) =>
    a.reduce<number>((sum, part, i) => sum || compare(part, b[i] ?? part), 0);
  return compared.sort((a, b) => order(a.keys, b.keys)).map(({ each }) => each);
}

function compare(a: string | number, b: string | number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Processes that cannot be seen come last. */
function ownerKey({ owner }: Shown): string {
  return owner === undefined ? '\uffff' : `${owner.name} ${String(owner.pid).padStart(10)}`;
}

/** The address and port, so that 10.0.0.9 is before 10.0.0.10. */
function peerKey({ state, local, remote }: Shown): string {
  const { address, port } = state === 'LISTEN' ? local : remote;
  return `${address.replace(/[\da-f]+/g, (number) => number.padStart(4, '0'))} ${String(port).padStart(5, '0')}`;
}
