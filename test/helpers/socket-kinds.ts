import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { connectedPair } from './connected-pair.ts';
import { certificate, certificateKey } from './test-certificate.ts';
import { tlsPair } from './tls-pair.ts';

export interface OpenSocket {
  /** The object that a program uses. */
  socket: net.Socket;
  /** The TCP socket whose descriptor has the options. */
  carrier: net.Socket;
  close(): Promise<void>;
}

export interface SocketKind {
  readonly kind: string;
  open(): Promise<OpenSocket>;
}

/** Every kind of connected socket that Node has over TCP. */
export const socketKinds: readonly SocketKind[] = [
  { kind: 'a client', open: async () => end(await connectedPair(), 'client') },
  { kind: 'an accepted socket', open: async () => end(await connectedPair(), 'server') },
  { kind: 'a client over IPv6', open: async () => end(await connectedPair('::1'), 'client') },
  { kind: 'an accepted socket over IPv6', open: async () => end(await connectedPair('::1'), 'server') },
  { kind: 'a TLS client', open: async () => end(await tlsPair(), 'client') },
  { kind: 'an accepted TLS socket', open: async () => end(await tlsPair(), 'server') },
  { kind: 'a TLS client over IPv6', open: async () => end(await tlsPair('::1'), 'client') },
  { kind: 'tls.connect({ socket })', open: wrappedTls },
  { kind: 'TLS within TLS', open: tlsWithinTls },
  { kind: "an http2 session's socket", open: () => http2Session(false) },
  { kind: "an accepted http2 session's socket", open: () => http2Session(true) },
];

/** The end under test of a pair. */
function end(
  pair: { client: net.Socket; server: net.Socket; close(): Promise<void> },
  which: 'client' | 'server',
): OpenSocket {
  return { socket: pair[which], carrier: pair[which], close: pair.close };
}

async function wrappedTls(): Promise<OpenSocket> {
  let carrier = new net.Socket();
  const { client, close } = await tlsPair('127.0.0.1', (port) => {
    carrier = net.connect(port, '127.0.0.1');
    return carrier;
  });
  return { socket: client, carrier, close };
}

async function tlsWithinTls(): Promise<OpenSocket> {
  const inside = tls.createServer({ cert: certificate, key: certificateKey });
  inside.on('secureConnection', (socket) => socket.on('error', () => {}));
  const { client: carrier, server, close } = await tlsPair();
  // The accepted end is unwrapped once more by a server that never listens.
  inside.emit('connection', server);
  const socket = tls.connect({ socket: carrier, ca: certificate, servername: 'localhost' });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return {
    socket,
    carrier,
    async close() {
      socket.destroy();
      await close();
    },
  };
}

async function http2Session(accepted: boolean): Promise<OpenSocket> {
  const server = http2.createServer();
  const sessionAccepted = once(server, 'session') as Promise<[http2.ServerHttp2Session]>;
  const carrierAccepted = once(server, 'connection') as Promise<[net.Socket]>;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const under = net.connect(port, '127.0.0.1');
  const client = http2.connect(`http://127.0.0.1:${port}`, { createConnection: () => under });
  await once(client, 'connect');
  const [[serverSession], [serverCarrier]] = await Promise.all([sessionAccepted, carrierAccepted]);
  const session = accepted ? serverSession : client;
  return {
    socket: session.socket as net.Socket,
    carrier: accepted ? serverCarrier : under,
    async close() {
      client.destroy();
      serverSession.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
