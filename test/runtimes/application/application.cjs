// Sets options and reads them back, and in the mode 'fallback' is told that it is a bundle without koffi.
// Node's modules are given to it: esbuild cannot put a `require` of them into ESM.
exports.start = ({ getKeepAlive, keepAlive, presets, setKeepAlive }, mode, { assert, net }) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const socket = keepAlive(net.connect(server.address().port, '127.0.0.1'), 'database', { onError() {} });
    socket.on('connect', () => {
      if (mode === 'full') {
        assert.deepEqual(getKeepAlive(socket), presets.database);
        setKeepAlive(socket, 'fastFailover');
        assert.deepEqual(getKeepAlive(socket), presets.fastFailover);
      } else {
        assert.throws(() => setKeepAlive(socket, 'database'), {
          code: 'ERR_KEEPALIVE_UNSUPPORTED',
          message: /This program is a bundle/,
        });
      }
      process.exit();
    });
  });
};
