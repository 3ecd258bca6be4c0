// What can be tried of the package on Windows under Wine.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { appendFileSync, writeFileSync } = require('node:fs');
const net = require('node:net');
const tls = require('node:tls');
const { isMainThread, parentPort, Worker } = require('node:worker_threads');
const { capabilities, getKeepAlive, keepAlive, setKeepAlive } = require('tcp-keepalive');

const tell = (line) => appendFileSync('told.txt', `${line}\n`);

async function connected(host = '127.0.0.1') {
  const server = net.createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const client = net.connect(server.address().port, host);
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  return { client, accepted, server };
}

async function connectedByTls() {
  const identity = require('./certificate.json');
  const server = tls.createServer(identity);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = tls.connect({ port: server.address().port, host: '127.0.0.1', ca: identity.cert });
  const [[accepted]] = await Promise.all([once(server, 'secureConnection'), once(client, 'secureConnect')]);
  return { client, accepted, server };
}

async function main() {
  writeFileSync('told.txt', `${process.version} ${process.platform}\n`);
  assert.equal(capabilities().through, 'setsockopt');

  // Each connection gets its own, and nobody else's.
  const pairs = [];
  for (const host of [...Array(20).fill('127.0.0.1'), '::1']) pairs.push(await connected(host));
  for (let i = 0; i < 5; i++) pairs.push(await connectedByTls());
  const sockets = pairs.flatMap(({ client, accepted }) => [client, accepted]);
  for (const [i, socket] of sockets.entries()) {
    // TLS over a socket has a handle of its own.
    assert.equal(socket._handle._parent?.fd ?? socket._handle.fd, -1);
    setKeepAlive(socket, { enable: true });
    assert.deepEqual(
      sockets.map((each) => getKeepAlive(each).enable),
      sockets.map((_, j) => j === i),
    );
    setKeepAlive(socket, { enable: false });
  }
  tell(`${sockets.length} sockets, ten of them TLS, each its own SOCKET, read back`);

  // Sockets that come and go do not mix them up, though Windows gives their numbers out anew.
  for (let i = 0; i < 30; i++) {
    const { client, accepted, server } = await connected();
    setKeepAlive(client, { enable: true });
    assert.deepEqual([getKeepAlive(client).enable, getKeepAlive(accepted).enable], [true, false]);
    client.destroy();
    assert.throws(() => setKeepAlive(client, { enable: true }), { code: 'ERR_KEEPALIVE_DESTROYED' });
    accepted.destroy();
    server.close();
    assert.ok(sockets.every((each) => getKeepAlive(each).enable === false));
  }
  tell('closed sockets are refused, and open ones stay as they are');

  const [socket] = sockets;
  const { enable, skipped } = setKeepAlive(socket, 'database');
  assert.equal(enable, true);
  tell(`database: skipped ${skipped.join(' ')}; read back ${JSON.stringify(getKeepAlive(socket))}`);
  const problems = [];
  keepAlive(socket, 'tunnel', { onError: (error) => problems.push(error) });
  socket.setKeepAlive(false);
  assert.equal(getKeepAlive(socket).enable, true);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['ERR_KEEPALIVE_UNSUPPORTED'],
  );
  tell(`told once: ${problems[0].message}`);

  const [inWorker] = await once(new Worker(__filename), 'message');
  assert.equal(inWorker.through, 'node');
  tell(`in a worker: ${inWorker.reason}`);
}

if (isMainThread) {
  main().then(
    () => process.exit(0),
    (error) => {
      tell(error.stack);
      process.exit(1);
    },
  );
} else {
  parentPort.postMessage({ through: capabilities().through, reason: capabilities().reason });
}
