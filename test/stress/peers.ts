import net from 'node:net';
import { vanish } from 'tcp-keepalive/testing';

// The other ends of many connections, as a process of its own. Tells the port it listens on, and how
// many connections it has whenever it is asked; told 'vanish', it does.

const accepted = new Set<net.Socket>();
const listener = net.createServer((socket) => {
  socket.on('error', () => {});
  accepted.add(socket);
  socket.on('close', () => accepted.delete(socket));
});
listener.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  process.send?.((listener.address() as net.AddressInfo).port);
});

process.on('message', (message) => {
  if (message === 'vanish') vanish(listener, ...accepted);
  process.send?.(accepted.size);
});
process.on('disconnect', () => process.exit());
