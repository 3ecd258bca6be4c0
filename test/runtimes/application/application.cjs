// Sets options and reads them back, and in the mode 'fallback' is told that it is a bundle without koffi.
// Node's modules are given to it: esbuild cannot put a `require` of them into ESM.
exports.start = ({ getKeepAlive, keepAlive, presets, setKeepAlive }, mode, { assert, net }) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const socket = keepAlive(net.connect(server.address().port, '127.0.0.1'), 'database', { onError() {} });
    const expectRead = (preset) => {
      // It is the kernel's own number, in its ticks, and kernels before 6.15 have none.
      const { maxRetransmitInterval, failOnUnreachable, ...read } = getKeepAlive(socket);
      assert.deepEqual({ ...read, maxRetransmitInterval: 'auto' }, { ...presets[preset] });
    };
    socket.on('connect', () => {
      if (mode === 'full') {
        expectRead('database');
        setKeepAlive(socket, 'fastFailover');
        expectRead('fastFailover');
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
