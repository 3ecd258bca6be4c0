import { once } from 'node:events';
import net from 'node:net';
import { type Field, isObject, optional, readFields, refusal, within } from '../options/fields.ts';
import { acknowledged } from './acknowledged.ts';
import { Lane, type Path } from './lane.ts';
import { vanish } from './vanish.ts';

/** The server that a proxy connects to. */
export interface ProxyTarget {
  /** Its name or address. @default '127.0.0.1' */
  readonly host?: string | undefined;
  /** Its port. */
  readonly port: number;
}

/** A TCP proxy on 127.0.0.1 whose clients can lose their peer. It carries any protocol, and TLS. */
export interface VanishingProxy {
  /** The port on 127.0.0.1 for the client under test. */
  readonly port: number;
  /** The sockets of the clients that are connected at the moment, as the proxy sees them. */
  readonly connections: ReadonlySet<net.Socket>;
  /**
   * Vanishes, as a machine that lost its power: clients receive nothing any more, no data, ACK or reset, and no
   * answer to a new connection. It first waits for at most a second until the clients have acknowledged what they
   * were sent: the kernel would send that again, and a client would hear it.
   */
  vanish(): Promise<void>;
  /** Works again, with the same connections. What was on its way is delivered late, as by TCP. */
  restore(): Promise<void>;
  /** The process behind the port has ended, and its machine lives: connections are reset, and new ones are refused. */
  refuse(): void;
  /**
   * Delivers all data later, in each direction.
   *
   * @param milliseconds - by how much; 0, as in the beginning, ends it
   */
  delay(milliseconds: number): void;
  /** Ends all connections, and stops listening. */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

/** The longest wait for ACKs, in milliseconds. Linux delays them by at most 200. */
const PATIENCE = 1_000;

const aPort = within({ min: 1, max: 65_535, unit: '' });
const aDelay = within({ min: 0, max: 2_147_483_647, unit: 'milliseconds' });

const aHost: Field<string> = (value, name) => {
  if (typeof value === 'string') return value;
  throw refusal(`\`${name}\` to be a host's name`, value);
};

const aTarget: Field<ProxyTarget> = (value, name) =>
  isObject(value)
    ? readFields('a server such as { port: 5432 }', value, { host: optional(aHost), port: aPort })
    : { port: aPort(value, name) };

/**
 * Starts a proxy in front of a server, for a client whose sockets a test cannot reach, or that must connect again.
 * The client's own sockets are never touched.
 *
 * @param options - `to`: the server's port on 127.0.0.1, or `{ host, port }`
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, or the error of listening
 *
 * @example
 * ```ts
 * const proxy = await vanishingProxy({ to: 5432 });
 * const pool = keepAlivePg(new pg.Pool({ host: '127.0.0.1', port: proxy.port }), 'fastFailover');
 * await pool.query('select 1');
 * await proxy.vanish();
 * await expectDetection(pool.query('select 1'), 'fastFailover');
 * ```
 */
export async function vanishingProxy(options: {
  readonly to: number | ProxyTarget;
}): Promise<VanishingProxy> {
  const { to } = readFields('an object such as { to: 5432 }', options, { to: aTarget });
  const proxy = new LoopbackProxy(to);
  await proxy.listen();
  return proxy;
}

class LoopbackProxy implements VanishingProxy {
  port = 0;
  readonly connections = new Set<net.Socket>();
  readonly #target: ProxyTarget;
  readonly #path: Path = { delay: 0, isDown: false };
  readonly #lanes = new Set<Lane>();
  /** Its sockets to the server. */
  readonly #servers = new Set<net.Socket>();
  // Each side may end before the other, as through a cable.
  readonly #listener = net.createServer({ allowHalfOpen: true }, (client) => this.#connect(client));
  #restores: (() => void)[] = [];

  constructor(target: ProxyTarget) {
    this.#target = target;
  }

  async listen(): Promise<void> {
    if (this.#listener.listening) return;
    this.#listener.listen(this.port, HOST);
    await once(this.#listener, 'listening');
    this.port = (this.#listener.address() as net.AddressInfo).port;
  }

  async vanish(): Promise<void> {
    await this.listen();
    this.#path.isDown = true;
    this.#goDown(this.#listener);
    await acknowledged(this.connections, PATIENCE);
    // It may have been restored meanwhile.
    if (this.#path.isDown) this.#goDown(...[...this.connections].filter(({ destroyed }) => !destroyed));
  }

  async restore(): Promise<void> {
    this.#comeUp();
    await this.listen();
  }

  refuse(): void {
    this.#comeUp();
    this.#listener.close();
    for (const client of this.connections) client.resetAndDestroy();
  }

  delay(milliseconds: number): void {
    this.#path.delay = aDelay(milliseconds, 'milliseconds');
  }

  async close(): Promise<void> {
    this.#path.isDown = true;
    for (const lane of this.#lanes) lane.hold();
    for (const socket of [...this.connections, ...this.#servers]) socket.destroy();
    if (!this.#listener.listening) return;
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  #connect(client: net.Socket): void {
    const { host = HOST, port } = this.#target;
    const server = net.connect({ host, port, allowHalfOpen: true });
    this.#carry(client, server, this.connections);
    this.#carry(server, client, this.#servers);
    if (this.#path.isDown) this.#goDown(client);
  }

  #carry(from: net.Socket, to: net.Socket, side: Set<net.Socket>): void {
    side.add(from);
    from.once('close', () => side.delete(from));
    this.#lanes.add(new Lane(from, to, this.#path, (lane) => this.#lanes.delete(lane)));
  }

  /** A deaf socket can still speak, so what the server answers is held back too. */
  #goDown(...ends: (net.Socket | net.Server)[]): void {
    for (const lane of this.#lanes) lane.hold();
    this.#restores.push(vanish(...ends));
  }

  #comeUp(): void {
    this.#path.isDown = false;
    for (const restore of this.#restores) restore();
    this.#restores = [];
    for (const lane of this.#lanes) lane.goOn();
  }
}
