import type net from 'node:net';
import { Duplex } from 'node:stream';

/** A stream that says nothing of the socket under it, whose end does not end the socket. */
export function streamOver(socket: net.Socket): Duplex {
  const stream = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      socket.write(chunk, done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk) => stream.push(chunk));
  return stream;
}
