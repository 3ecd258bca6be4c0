// A check of every public function that needs no test runner, for runtimes and set-ups that have none.
// Called with the package's exports and with what is to be expected: 'full'; 'emulated' in qemu-user, which passes on
// options but neither TCP_INFO nor what makes a peer vanish; 'fallback' where koffi cannot be loaded and Node's own
// setKeepAlive has to do; 'node' where no descriptor can be found.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');

const dead = { initialDelay: 1000, interval: 1000, count: 1 };

const checks = {
  async presets({ presets }) {
    assert.equal(presets.database.userTimeout, 24_500);
    assert.ok(Object.isFrozen(presets));
  },

  async capabilities({ capabilities }, mode) {
    assert.equal(capabilities().through, mode === 'full' ? 'setsockopt' : 'node');
  },

  async isKeepAliveError({ isKeepAliveError, setKeepAlive }) {
    assert.throws(() => setKeepAlive(new net.Socket(), 'database'), isKeepAliveError);
    assert.equal(isKeepAliveError(Object.assign(new Error(), { code: 'EBADF' })), false);
  },

  async setKeepAlive({ setKeepAlive, presets }, mode) {
    await withPair((client) => {
      if (mode === 'fallback') {
        assert.throws(() => setKeepAlive(client, 'database'), { code: 'ERR_KEEPALIVE_UNSUPPORTED' });
      } else if (mode === 'node') {
        assert.ok(setKeepAlive(client, 'database').skipped.includes('userTimeout'));
      } else if (process.platform === 'linux') {
        // Kernels before 6.15 lack the interval, and name it.
        const { maxRetransmitInterval, skipped, ...written } = setKeepAlive(client, 'database');
        assert.ok(maxRetransmitInterval === 3_062 || skipped.join() === 'maxRetransmitInterval');
        assert.deepEqual({ ...written, maxRetransmitInterval: 'auto' }, { ...presets.database });
      }
      assert.throws(() => setKeepAlive(client, { initialDelay: 60 }), {
        code: 'ERR_KEEPALIVE_INVALID_OPTION',
      });
    });
  },

  async keepAliveFor({ keepAliveFor, keepAlive, getKeepAlive }, mode) {
    await withPair((client) => {
      assert.equal(keepAliveFor('a-library', client, 'database'), client);
      if (mode === 'full') assert.equal(getKeepAlive(client).interval, 5_000);
      keepAlive(client, 'tunnel');
      keepAliveFor('a-library', client, 'database');
      if (mode === 'full') assert.equal(getKeepAlive(client).interval, 10_000);
    });
  },

  async keepAliveStream({ keepAliveStream }) {
    const stream = keepAliveStream('database');
    const [one, other] = [stream(), stream()];
    assert.ok(one instanceof net.Socket && one !== other);
    one.destroy();
    other.destroy();
  },

  async optionsFromLibpq({ optionsFromLibpq }) {
    const { options, connectTimeout } = optionsFromLibpq(
      'postgres://db?keepalives_idle=10&connect_timeout=5',
    );
    assert.deepEqual(options, { enable: true, initialDelay: 10_000 });
    assert.equal(connectTimeout, 5_000);
  },

  async getKeepAlive({ getKeepAlive, setKeepAlive }, mode) {
    await withPair((client) => {
      if (mode !== 'full') {
        const code = mode === 'node' ? 'ERR_KEEPALIVE_NO_DESCRIPTOR' : 'ERR_KEEPALIVE_UNSUPPORTED';
        assert.throws(() => getKeepAlive(client), { code });
        return;
      }
      assert.equal(getKeepAlive(client).enable, false);
      setKeepAlive(client, { initialDelay: 1500 });
      assert.equal(getKeepAlive(client).initialDelay, 2000);
    });
  },

  async getTcpInfo({ getTcpInfo }, mode, isEmulated) {
    await withPair((client) => {
      if (hasTcpInfo(mode, isEmulated)) {
        assert.equal(getTcpInfo(client).state, 'ESTABLISHED');
        return;
      }
      const isHidden = mode === 'node' && process.platform === 'linux';
      const code = isHidden ? 'ERR_KEEPALIVE_NO_DESCRIPTOR' : 'ERR_KEEPALIVE_UNSUPPORTED';
      assert.throws(() => getTcpInfo(client), { code });
    });
  },

  async inspectKeepAlive({ inspectKeepAlive, keepAlive }, mode, isEmulated) {
    await withPair((client) => {
      const [{ by, options, error }] = inspectKeepAlive(keepAlive(client, 'database'));
      assert.deepEqual(by, { rank: 'explicit', name: 'keepAlive' });
      if (mode === 'full' && !isEmulated) assert.equal(options.initialDelay, 10_000);
      else assert.match(error.code, /^ERR_KEEPALIVE_(UNSUPPORTED|NO_DESCRIPTOR)$/);
    });
  },

  keepAliveStats({ keepAliveStats }) {
    assert.equal(keepAliveStats().lost.reaper, 0);
  },

  async keepAlive({ keepAlive, getKeepAlive }, mode) {
    await withPair((client) => {
      assert.equal(keepAlive(client, 'tunnel'), client);
      client.setKeepAlive(true, 7000);
      if (mode === 'full') assert.equal(getKeepAlive(client).interval, 10_000);
    });
    const unheard = new Promise((resolve) => keepAlive({}, 'tunnel', { onError: resolve }));
    assert.equal((await unheard).code, 'ERR_KEEPALIVE_NOT_TCP');
  },

  async keepAliveServer({ keepAliveServer, getKeepAlive }, mode) {
    const prepare = (server) => keepAliveServer(server, 'websocket');
    await withPair((_client, accepted) => {
      if (mode === 'full') assert.equal(getKeepAlive(accepted).initialDelay, 45_000);
    }, prepare);
  },

  async installKeepAlive({ installKeepAlive, getKeepAlive }, mode) {
    const uninstall = installKeepAlive([{ side: 'client', use: 'loadBalancer' }]);
    try {
      await withPair((client) => {
        client.setKeepAlive(true, 7000);
        if (mode === 'full') assert.equal(getKeepAlive(client).interval, 15_000);
      });
    } finally {
      uninstall();
    }
  },

  async reapLostSockets({ reapLostSockets, keepAlive }, mode, isEmulated) {
    if (!canVanish(mode, isEmulated)) {
      reapLostSockets()();
      return;
    }
    const { vanish } = require('tcp-keepalive/testing');
    await withPair(async (client, accepted) => {
      keepAlive(client, { enable: true });
      const lost = new Promise((resolve) => {
        client.once('close', reapLostSockets({ every: 100, silentAfter: 1_000, onLost: resolve }));
      });
      client.on('error', () => {});
      vanish(client, accepted);
      client.write('query');
      assert.equal((await lost).errored.code, 'ETIMEDOUT');
    });
  },

  async predictDetection({ predictDetection }) {
    assert.equal(predictDetection('database').idle.nominal, 25_000);
  },

  async planKeepAlive({ planKeepAlive, predictDetection, pathIdleLimits }) {
    const planned = planKeepAlive({ detectWithin: 60_000, pathIdleLimit: 'aws-nlb' });
    assert.ok(predictDetection(planned).idle.latest <= 60_000);
    assert.ok(Object.isFrozen(pathIdleLimits));
  },

  async reviewKeepAlive({ reviewKeepAlive }) {
    const codes = reviewKeepAlive({ initialDelay: 60_000, interval: 10_000, count: 1 }).map(
      ({ code }) => code,
    );
    assert.ok(codes.includes('single-probe'));
  },

  async aSocketOfAnHttpServerIsSet({ setKeepAlive, getKeepAlive }, mode) {
    if (mode !== 'full') return;
    const server = http.createServer(({ socket }, response) => {
      setKeepAlive(socket, { initialDelay: 20_000 });
      response.end(String(getKeepAlive(socket).initialDelay));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const request = http.get({ host: '127.0.0.1', port: server.address().port });
    const [response] = await once(request, 'response');
    const [body] = await once(response, 'data');
    assert.equal(String(body), '20000');
    request.destroy();
    server.close();
  },

  async aVanishedPeerIsNoticed({ keepAlive }, mode, isEmulated) {
    if (!canVanish(mode, isEmulated)) return;
    const { expectDetection, vanish } = require('tcp-keepalive/testing');
    await withPair(async (client, accepted) => {
      keepAlive(client, dead);
      vanish(client, accepted);
      const noticed = once(client, 'error');
      const [error] = await expectDetection(noticed, dead, { state: 'idle', socket: client });
      assert.equal(error.code, 'ETIMEDOUT');
    });
  },
};

const hasTcpInfo = (mode, isEmulated) =>
  mode === 'full' && !isEmulated && ['linux', 'darwin'].includes(process.platform);

/** Only Linux can make a peer vanish. */
const canVanish = (mode, isEmulated) => hasTcpInfo(mode, isEmulated) && process.platform === 'linux';

async function withPair(check, prepare = (server) => server) {
  const server = prepare(net.createServer());
  const accepting = once(server, 'connection');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect(server.address().port, '127.0.0.1');
  await once(client, 'connect');
  const [accepted] = await accepting;
  accepted.on('error', () => {});
  try {
    await check(client, accepted);
  } finally {
    client.destroy();
    accepted.destroy();
    server.close();
  }
}

/** Runs every check, and fails for a public function that has none. */
async function smoke(library, expected) {
  const isEmulated = expected === 'emulated';
  const mode = isEmulated ? 'full' : expected;
  const names = Object.keys(library).filter((name) => typeof library[name] === 'function');
  assert.deepEqual(
    names.filter((name) => !(name in checks)),
    [],
  );
  const warnings = [];
  process.on('warning', (warning) => warnings.push(warning));
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(library, mode, isEmulated);
    } catch (error) {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    }
  }
  await new Promise((resolve) => setImmediate(resolve));
  const ours = warnings.filter((warning) => warning.name === 'KeepAliveWarning');
  assert.equal(ours.length, mode === 'full' ? 0 : 1, ours.map((warning) => warning.message).join('\n'));
  console.log(`${Object.keys(checks).length} checks passed (${expected})`);
}

module.exports = { smoke };
