import { once } from 'node:events';
import net from 'node:net';

/** The types of TDS packets that a client may send, and that of an answer. */
const PRELOGIN = 18;
const LOGIN = 16;
const RESULT = 4;
const HEADER_LENGTH = 8;

/**
 * A SQL Server without TLS that can only accept logins and run statements that return nothing. A statement
 * with `never` gets no answer. With `redirectTo`, a login is redirected to that port.
 */
export async function startSqlServerStub(redirectTo?: number): Promise<{ port: number; close(): void }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= HEADER_LENGTH && received.length >= received.readUInt16BE(2)) {
        const length = received.readUInt16BE(2);
        const reply = answerTo(received.readUInt8(0), received.subarray(HEADER_LENGTH, length), redirectTo);
        if (reply !== undefined) socket.write(packet(reply));
        received = received.subarray(length);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function answerTo(type: number, body: Buffer, redirectTo: number | undefined): Buffer | undefined {
  if (type === PRELOGIN) return preloginWithoutEncryption();
  if (type === LOGIN) return Buffer.concat([loginAcknowledged(), routing(redirectTo), done()]);
  return body.toString('utf16le').includes('never') ? undefined : done();
}

/** Two options, VERSION and ENCRYPTION (2: not supported), each with its offset and length, and an end. */
function preloginWithoutEncryption(): Buffer {
  return Buffer.from([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 2]);
}

function loginAcknowledged(): Buffer {
  const name = Buffer.from('stub', 'utf16le');
  const body = Buffer.concat([
    Buffer.from([1, 0x74, 0, 0, 4]), // The interface, and TDS 7.4.
    Buffer.from([name.length / 2]),
    name,
    Buffer.from([16, 0, 0, 0]),
  ]);
  return Buffer.concat([Buffer.from([0xad]), withLength(body)]);
}

/** The change of environment with which a gateway names the real server. */
function routing(port: number | undefined): Buffer {
  if (port === undefined) return Buffer.alloc(0);
  const host = Buffer.from('127.0.0.1', 'utf16le');
  const address = Buffer.alloc(5);
  address.writeUInt16LE(port, 1);
  address.writeUInt16LE(host.length / 2, 3);
  const value = withLength(Buffer.concat([address, host]));
  return Buffer.concat([
    Buffer.from([0xe3]),
    withLength(Buffer.concat([Buffer.from([20]), value, Buffer.alloc(2)])),
  ]);
}

function withLength(body: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(body.length);
  return Buffer.concat([length, body]);
}

function done(): Buffer {
  return Buffer.concat([Buffer.from([0xfd]), Buffer.alloc(12)]);
}

function packet(body: Buffer): Buffer {
  const header = Buffer.from([RESULT, 1, 0, 0, 0, 0, 1, 0]);
  header.writeUInt16BE(HEADER_LENGTH + body.length, 2);
  return Buffer.concat([header, body]);
}
