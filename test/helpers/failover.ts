import dns from 'node:dns';
import { once } from 'node:events';
import net from 'node:net';
import { vanish } from 'tcp-keepalive/testing';

/** A name of a server that vanishes, and that later is the name of another one, which has the same port. */
export interface Failover {
  readonly host: string;
  readonly port: number;
  /** From now on the first server answers nothing: no data, no ACK, no SYN. */
  vanish(): void;
  /** From now on the name is looked up as the other server's address. */
  move(): void;
  close(): Promise<void>;
}

/** One query that failed, and when, in milliseconds after the first server vanished. */
export interface FailedQuery {
  readonly after: number;
  readonly error: NodeJS.ErrnoException;
}

/** An outage, as the program sees it that sends a query each second. */
export interface Outage {
  /** When a query was answered again, in milliseconds after the name had moved; `undefined` if none was in time. */
  readonly recoveredAfter: number | undefined;
  readonly failed: readonly FailedQuery[];
}

/** The address of the real server. Those that vanish have others, and the same port. */
const OTHER = '127.0.0.1';
const SECOND = 1_000;

const addresses = new Map<string, string>();
let names = 0;
let ownLookup: typeof dns.lookup | undefined;

/** Puts a server that can vanish before a real one, which listens on 127.0.0.1 alone. */
export async function startFailover(server: { port: number }): Promise<Failover> {
  const { port } = server;
  const host = `db-${++names}.failover.test`;
  const address = `127.1.${names >> 8}.${names & 255}`;
  const pairs = new Map<net.Socket, net.Socket>();
  const first = net.createServer((client) => {
    const upstream = net.connect(port, OTHER);
    pairs.set(client, upstream);
    client.pipe(upstream).pipe(client);
    for (const [socket, peer] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.on('error', () => {}).once('close', () => peer.destroy());
    }
  });
  await once(first.listen(port, address), 'listening');
  setAddress(host, address);
  return {
    host,
    port,
    vanish() {
      vanish(first, ...pairs.keys());
      // A deaf socket can still speak.
      for (const upstream of pairs.values()) upstream.pause();
    },
    move: () => setAddress(host, OTHER),
    async close() {
      setAddress(host, undefined);
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      await once(first.close(), 'close');
    },
  };
}

/** `dns.lookup` itself is replaced, because every driver ends there, and none has an option for it. */
function setAddress(host: string, address: string | undefined): void {
  if (address === undefined) addresses.delete(host);
  else addresses.set(host, address);
  ownLookup ??= dns.lookup;
  dns.lookup = addresses.size === 0 ? ownLookup : lookupHere;
}

const lookupHere = ((host: string, ...rest: unknown[]) => {
  const address = addresses.get(host);
  if (address === undefined) return Reflect.apply(ownLookup as typeof dns.lookup, dns, [host, ...rest]);
  const done = rest.at(-1) as (error: null, ...found: unknown[]) => void;
  const all = (rest[0] as dns.LookupAllOptions).all === true;
  setImmediate(() => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)));
}) as typeof dns.lookup;

/**
 * Lets the server vanish and its name move, and sends a query each second meanwhile.
 *
 * @param moveAfter - when the name moves, after the server has vanished, in milliseconds
 * @param patience - how long after that a query may be answered at the latest
 */
export async function outageOf(
  failover: Failover,
  query: () => Promise<unknown>,
  { moveAfter, patience }: { moveAfter: number; patience: number },
): Promise<Outage> {
  await query();
  failover.vanish();
  const vanished = performance.now();
  let moved = Infinity;
  const failed: FailedQuery[] = [];
  return new Promise((resolve) => {
    const send = () =>
      query().then(
        // One that comes before the name has moved makes a negative time, which no test takes.
        () => finish(performance.now() - moved),
        (error) => failed.push({ after: performance.now() - vanished, error }),
      );
    const sending = setInterval(send, SECOND);
    const moving = setTimeout(() => {
      failover.move();
      moved = performance.now();
    }, moveAfter);
    const giveUp = setTimeout(() => finish(undefined), moveAfter + patience);
    const finish = (recoveredAfter: number | undefined) => {
      clearInterval(sending);
      clearTimeout(moving);
      clearTimeout(giveUp);
      resolve({ recoveredAfter, failed });
    };
    send();
  });
}

/** Who gave up: the kernel's errors have a number, which mysql2 and ioredis do not imitate. */
export function spoken({ errno, syscall, code, message }: NodeJS.ErrnoException): string {
  return typeof errno !== 'number' ? `its own: ${code ?? message}` : `${syscall} ${code}`;
}
