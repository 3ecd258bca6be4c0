import { once } from 'node:events';
import net from 'node:net';

const PROTOCOL_HEADER_LENGTH = 8;
const METHOD_FRAME = 1;
const FRAME_HEADER_LENGTH = 7;
const FRAME_END = 0xce;

/** The methods of AMQP 0-9-1 that it knows, as `class.method`, and its answer to each. */
const ANSWERS: Readonly<Record<string, readonly [number, number, Buffer] | undefined>> = {
  // start-ok: tune, with 2047 channels, frames of 128 KiB, and no heartbeats.
  '10.11': [10, 30, Buffer.from([0x07, 0xff, 0, 2, 0, 0, 0, 0])],
  // open: open-ok.
  '10.40': [10, 41, Buffer.from([0])],
  // close: close-ok.
  '10.50': [10, 51, Buffer.alloc(0)],
  // channel.open: open-ok; channel.close: close-ok.
  '20.10': [20, 11, Buffer.alloc(4)],
  '20.40': [20, 41, Buffer.alloc(0)],
};

/** A RabbitMQ that can only accept connections and open channels. */
export async function startRabbitmqStub(): Promise<{ port: number; close(): void }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
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

function serve(socket: net.Socket): void {
  let received = Buffer.alloc(0);
  let isStarted = false;
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    if (!isStarted && received.length >= PROTOCOL_HEADER_LENGTH) {
      isStarted = true;
      received = received.subarray(PROTOCOL_HEADER_LENGTH);
      socket.write(frame(0, 10, 10, start()));
    }
    for (;;) {
      if (received.length < FRAME_HEADER_LENGTH) return;
      const end = FRAME_HEADER_LENGTH + received.readUInt32BE(3) + 1;
      if (received.length < end) return;
      answer(socket, received.subarray(0, end));
      received = received.subarray(end);
    }
  });
}

function answer(socket: net.Socket, request: Buffer): void {
  if (request[0] !== METHOD_FRAME) return;
  const method = `${request.readUInt16BE(7)}.${request.readUInt16BE(9)}`;
  const reply = ANSWERS[method];
  if (reply !== undefined) socket.write(frame(request.readUInt16BE(1), ...reply));
}

/** Version 0-9, no properties, and one mechanism and one locale to choose from. */
function start(): Buffer {
  return Buffer.concat([Buffer.from([0, 9, 0, 0, 0, 0]), longString('PLAIN'), longString('en_US')]);
}

function longString(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, Buffer.from(text)]);
}

function frame(channel: number, classId: number, methodId: number, args: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_LENGTH + 4);
  header.writeUInt8(METHOD_FRAME, 0);
  header.writeUInt16BE(channel, 1);
  header.writeUInt32BE(4 + args.length, 3);
  header.writeUInt16BE(classId, 7);
  header.writeUInt16BE(methodId, 9);
  return Buffer.concat([header, args, Buffer.from([FRAME_END])]);
}
