import { once } from 'node:events';
import net from 'node:net';

const METADATA = 3;
const API_VERSIONS = 18;

/** A Kafka broker that can only accept connections and list the brokers. */
export interface KafkaStub {
  readonly port: number;
  /** The address that it announces. */
  advertisedPort: number;
  /** Whether it still answers. */
  answers: boolean;
  close(): void;
}

export async function startKafkaStub(): Promise<KafkaStub> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE()) {
        const end = 4 + received.readInt32BE();
        if (stub.answers) socket.write(withLength(answerTo(received.subarray(4, end), stub.advertisedPort)));
        received = received.subarray(end);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const stub: KafkaStub = {
    port,
    advertisedPort: port,
    answers: true,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return stub;
}

/** An answer repeats the correlation id of the request, which follows the key and the version. */
function answerTo(request: Buffer, port: number): Buffer {
  const key = request.readInt16BE(0);
  const correlationId = request.subarray(4, 8);
  if (key === API_VERSIONS) return Buffer.concat([correlationId, apiVersions()]);
  if (key === METADATA) return Buffer.concat([correlationId, metadata(port)]);
  throw new Error(`The stub has no answer for request ${key}`);
}

/** No error; two kinds of request, each with its lowest and highest version; no throttling. */
function apiVersions(): Buffer {
  return Buffer.concat([int16(0), int32(2), int16(API_VERSIONS, 0, 2), int16(METADATA, 0, 1), int32(0)]);
}

/** Version 1: one broker, without a rack; the controller; no topics. */
function metadata(port: number): Buffer {
  const host = Buffer.from('127.0.0.1');
  return Buffer.concat([int32(1), int32(1), int16(host.length), host, int32(port), int16(-1), int32(1, 0)]);
}

function withLength(body: Buffer): Buffer {
  return Buffer.concat([int32(body.length), body]);
}

function int16(...values: number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, index) => void bytes.writeInt16BE(value, 2 * index));
  return bytes;
}

function int32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => void bytes.writeInt32BE(value, 4 * index));
  return bytes;
}
