import net from 'node:net';
import { listen } from './listen.ts';

/** The number of a message that holds one document, in either direction. */
const OP_MSG = 2013;
/** The old message with which a client says hello, and the one that answers it. */
const OP_QUERY = 2004;
const OP_REPLY = 1;
const HEADER_LENGTH = 16;

/** BSON of a document whose values are booleans, 32-bit integers and, as doubles, other numbers. */
function bson(document: Readonly<Record<string, boolean | number>>): Buffer {
  const fields = Object.entries(document).map(([name, value]) => {
    const key = Buffer.from(`${name}\0`);
    if (typeof value === 'boolean')
      return Buffer.concat([Buffer.from([8]), key, Buffer.from([value ? 1 : 0])]);
    const number = Buffer.alloc(name === 'ok' ? 8 : 4);
    if (name === 'ok') number.writeDoubleLE(value);
    else number.writeInt32LE(value);
    return Buffer.concat([Buffer.from([name === 'ok' ? 1 : 16]), key, number]);
  });
  const body = Buffer.concat([...fields, Buffer.from([0])]);
  const length = Buffer.alloc(4);
  length.writeInt32LE(body.length + 4);
  return Buffer.concat([length, body]);
}

/** What a single server says of itself, and to any command: `{ ok: 1 }` is enough for `ping`. */
const answer = bson({
  isWritablePrimary: true,
  ismaster: true,
  helloOk: true,
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  minWireVersion: 0,
  maxWireVersion: 21,
  ok: 1,
});

function replyTo(message: Buffer): Buffer {
  const isOld = message.readInt32LE(12) === OP_QUERY;
  // Flags, a cursor, where it starts and one document; or flags and the kind of the section.
  const before = isOld ? Buffer.alloc(20) : Buffer.alloc(5);
  if (isOld) before.writeInt32LE(1, 16);
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeInt32LE(HEADER_LENGTH + before.length + answer.length, 0);
  header.writeInt32LE(message.readInt32LE(4), 8);
  header.writeInt32LE(isOld ? OP_REPLY : OP_MSG, 12);
  return Buffer.concat([header, before, answer]);
}

/** A MongoDB that answers the greeting and `ping`. */
export function newMongodbStub(): net.Server {
  return net.createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= HEADER_LENGTH && received.length >= received.readInt32LE(0)) {
        const length = received.readInt32LE(0);
        socket.write(replyTo(received.subarray(0, length)));
        received = received.subarray(length);
      }
    });
  });
}

/** Such a MongoDB, until the test ends. Returns the port. */
export function startMongodbStub(): Promise<number> {
  return listen(newMongodbStub());
}
