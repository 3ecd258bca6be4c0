import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { vanish } from 'tcp-keepalive/testing';
import { fdOf } from '../helpers/raw-options.ts';
import { type OpenSocket, socketKinds } from '../helpers/socket-kinds.ts';

/** Real sockets and servers of every kind, for what is done to them. */
export interface Pool {
  readonly sockets: readonly net.Socket[];
  readonly servers: readonly net.Server[];
  /** A descriptor of a connected TCP socket of this pool. */
  readonly descriptor: number;
  /** Fails if a connection has ended. */
  expectUnharmed(): void;
  close(): Promise<void>;
}

/** How many sockets and servers a pool has. */
export const SOCKETS: number = socketKinds.length + 5;
export const SERVERS = 4;

/** Opens one socket of each kind: connected, and in each other state that a socket can be in. */
export async function openPool(): Promise<Pool> {
  const connected = await Promise.all(socketKinds.map((kind) => kind.open()));
  const listener = await listening(net.createServer());
  const unix = await listening(net.createServer(), join(tmpdir(), `stress-${process.pid}-${++pools}.sock`));
  const deaf = await listening(net.createServer());
  vanish(deaf);

  const others = [
    new net.Socket(),
    new net.Socket().destroy(),
    net.connect(portOf(deaf), '127.0.0.1'),
    net.connect(unix.address() as string),
    tls.connect({ socket: silence() }),
  ];
  for (const socket of others) socket.on('error', () => {});
  await once(others[3] as net.Socket, 'connect');

  return {
    sockets: [...connected.map(({ socket }) => socket), ...others],
    servers: [listener, unix, net.createServer(), net.createServer().close()],
    descriptor: fdOf((connected[0] as OpenSocket).carrier),
    expectUnharmed() {
      for (const { carrier } of connected) assert.equal(carrier.destroyed, false);
    },
    async close() {
      for (const socket of others) socket.destroy();
      await Promise.all(connected.map((one) => one.close()));
      for (const server of [listener, unix, deaf]) server.close();
      rmSync(unix.address() as string, { force: true });
    },
  };
}

let pools = 0;

async function listening(server: net.Server, path?: string): Promise<net.Server> {
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  return server;
}

function portOf(server: net.Server): number {
  return (server.address() as net.AddressInfo).port;
}

/** A stream that is no socket, for TLS to run over. */
function silence(): Duplex {
  return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
}
