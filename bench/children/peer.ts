import { once } from 'node:events';
import net from 'node:net';

/** Accepts connections and leaves them alone until the bench lets go. */
const server = net.createServer((socket) => socket.on('error', () => {}));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
await once(server, 'listening');
process.send?.((server.address() as net.AddressInfo).port);
process.once('disconnect', () => process.exit());
