import net from 'node:net';
import { PassThrough } from 'node:stream';
import { getKeepAlive, type KeepAliveOptions, keepAlive, keepAliveServer, setKeepAlive } from 'tcp-keepalive';
import { describe, expect, test } from 'vitest';
import { type ConnectedPair, connectedPair } from '../helpers/connected-pair.ts';
import { kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { asRead } from '../helpers/retransmit-interval.ts';

/**
 * What others check about these options, as cases of ours: what they expect, what we do, and where
 * and why the two differ. The cases are told in our own words and code.
 */
interface PeerCase {
  readonly source: string;
  readonly theirs: string;
  readonly ours: string;
  run(pair: ConnectedPair): unknown;
}

const go = 'Go net, tcpconn_keepalive_test.go and tcpconn_keepalive_conf_posix_test.go';
const socket2 = "Rust socket2, tests/socket.rs, 'tcp_keepalive', 'keepalive' and 'tcp_user_timeout'";
const socket2Source = "Rust socket2, src/sys/unix.rs, 'into_secs'";
const cpython = 'CPython, Lib/test/test_socket.py';
const libuv = 'libuv, test/test-tcp-flags.c';
const netKeepalive = 'net-keepalive, test/unit and test/integration';

/**
 * Go's table of option combinations: -1 leaves a field alone there, and 0 stands for Go's own default
 * (15 s, 15 s, 9). Here a field left out is left alone, and there is no sentinel: 0 is refused.
 */
const goRows: readonly (readonly [idle: number, interval: number, count: number])[] = [
  [5, 3, 10],
  [0, 0, 0],
  [-1, -1, -1],
  [-1, 3, 10],
  [5, -1, 10],
  [5, 3, -1],
  [-1, -1, 10],
  [-1, 3, -1],
  [5, -1, -1],
  [0, 3, 10],
  [5, 0, 10],
  [5, 3, 0],
  [0, 0, 10],
  [0, 3, 0],
  [5, 0, 0],
];

function asOurs([idle, interval, count]: (typeof goRows)[number]): KeepAliveOptions {
  const field = (name: string, value: number) => (value === -1 ? {} : { [name]: value });
  return {
    enable: true,
    ...field('initialDelay', idle === -1 ? -1 : idle * 1000),
    ...field('interval', interval === -1 ? -1 : interval * 1000),
    ...field('count', count),
  };
}

function goCases(): PeerCase[] {
  return goRows.map((row) => {
    const isRefused = row.includes(0);
    return {
      source: go,
      theirs: `Enable, Idle ${row[0]}, Interval ${row[1]}, Count ${row[2]}: read back, -1 unchanged, 0 Go's default`,
      ours: isRefused ? 'differs: 0 is refused, nothing changes' : 'the same, with the field left out for -1',
      run: ({ client }) => (isRefused ? expectRefused(client, row) : expectWritten(client, row)),
    };
  });
}

/** A state that no row gives, so that a field left alone is seen to be. */
const before = { enable: false, initialDelay: 77_000, interval: 66_000, count: 55, userTimeout: 0 };

function expectRefused(client: net.Socket, row: (typeof goRows)[number]): void {
  setKeepAlive(client, before);
  expect(() => setKeepAlive(client, asOurs(row))).toThrow(
    expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
  );
  expect(getKeepAlive(client)).toEqual(asRead(before));
}

function expectWritten(client: net.Socket, row: (typeof goRows)[number]): void {
  setKeepAlive(client, before);
  setKeepAlive(client, asOurs(row));
  expect(getKeepAlive(client)).toEqual({ ...asRead(before), ...asOurs(row) });
}

const cases: PeerCase[] = [
  ...goCases(),
  {
    source: go,
    theirs: 'Dialer: the config is on the connection once Dial returns',
    ours: "the same, once 'connect' is emitted",
    async run({ server }) {
      const { port } = server.address() as net.AddressInfo;
      const dialed = keepAlive(net.connect(port, '127.0.0.1'), {
        initialDelay: 5_000,
        interval: 3_000,
        count: 10,
      });
      await new Promise((resolve) => dialed.once('connect', resolve));
      expect(kernelValues(dialed)).toBe('1:5/3/10 0');
      dialed.destroy();
    },
  },
  {
    source: go,
    theirs: 'ListenConfig: set on each accepted connection by a call of its own',
    ours: 'the same result, by inheritance: no call per connection',
    async run() {
      const listener = keepAliveServer(net.createServer(), {
        initialDelay: 5_000,
        interval: 3_000,
        count: 10,
      });
      await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
      const accepted = new Promise<net.Socket>((resolve) => listener.once('connection', resolve));
      const client = net.connect((listener.address() as net.AddressInfo).port, '127.0.0.1');
      const socket = await accepted;
      expect(kernelValues(socket)).toBe('1:5/3/10 0');
      for (const each of [client, socket]) each.destroy();
      listener.close();
    },
  },
  {
    source: socket2,
    theirs: 'tcp_keepalive: time 200 s, interval 30 s, retries 10 on a fresh socket read back exactly',
    ours: 'the same, on a connected socket: Node has no descriptor before',
    run({ client }) {
      setKeepAlive(client, { initialDelay: 200_000, interval: 30_000, count: 10 });
      expect(kernelValues(client)).toBe('1:200/30/10 0');
    },
  },
  {
    source: socket2,
    theirs: 'keepalive: the initial value is not true, and once set it is',
    ours: 'the same',
    run({ client }) {
      expect(getKeepAlive(client).enable).toBe(false);
      setKeepAlive(client, { enable: true });
      expect(getKeepAlive(client).enable).toBe(true);
    },
  },
  {
    source: socket2,
    theirs: 'tcp_user_timeout: the initial value is not 10 s, and once set it is',
    ours: 'the same',
    run({ client }) {
      expect(getKeepAlive(client).userTimeout).toBe(0);
      setKeepAlive(client, { userTimeout: 10_000 });
      expect(getKeepAlive(client).userTimeout).toBe(10_000);
    },
  },
  {
    source: socket2Source,
    theirs: 'a duration is truncated to whole seconds: 1.9 s becomes 1 s',
    ours: 'differs: rounded up, so that a peer is never given less time than was asked for',
    run({ client }) {
      setKeepAlive(client, { initialDelay: 1_900, interval: 1_001 });
      expect(kernelValues(client)).toBe('1:2/2/9 0');
    },
  },
  {
    source: cpython,
    theirs: 'test_setsockopt_errors: a value that does not fit a C int is an OverflowError',
    ours: 'the same: refused by name, as a RangeError',
    run({ client }) {
      expect(() => setKeepAlive(client, { initialDelay: 2 ** 40 })).toThrow(RangeError);
      expect(() => setKeepAlive(client, { userTimeout: 2 ** 31 })).toThrow(RangeError);
      expect(kernelValues(client)).toBe('0:7200/75/9 0');
    },
  },
  {
    source: cpython,
    theirs: 'test_setsockopt_errors: a value of the wrong type is a TypeError',
    ours: 'the same',
    run({ client }) {
      for (const value of ['5000', null, {}, true, 5n]) {
        expect(() => setKeepAlive(client, { interval: value as never })).toThrow(TypeError);
      }
    },
  },
  {
    source: cpython,
    theirs: 'testSetSockOpt: an option is 0 at first and not 0 once set',
    ours: 'the same',
    run({ client }) {
      expect(getKeepAlive(client).userTimeout).toBe(0);
      setKeepAlive(client, { userTimeout: 5_000 });
      expect(getKeepAlive(client).userTimeout).toBe(5_000);
    },
  },
  {
    source: libuv,
    theirs: 'keepalive on with 60 s, then off, succeeds on a socket that was never connected',
    ours: 'differs: refused with a code, since Node would silently drop it; keepAlive() waits',
    run() {
      const code = 'ERR_KEEPALIVE_NOT_CONNECTED';
      expect(() => setKeepAlive(new net.Socket(), { initialDelay: 60_000 })).toThrow(
        expect.objectContaining({ code }),
      );
    },
  },
  {
    source: libuv,
    theirs: 'keepalive on, then off again, leaves it off',
    ours: 'the same, and the timers stay as they were',
    run({ client }) {
      setKeepAlive(client, { initialDelay: 60_000 });
      setKeepAlive(client, { enable: false });
      expect(kernelValues(client)).toBe('0:60/75/9 0');
    },
  },
  {
    source: libuv,
    theirs: 'keepalive on with a delay of 0 is UV_EINVAL (since 1.49)',
    ours: 'the same: 0 is refused; leave the field out to keep the system value',
    run({ client }) {
      expect(() => setKeepAlive(client, { enable: true, initialDelay: 0 })).toThrow(RangeError);
      setKeepAlive(client, { enable: true });
      expect(kernelValues(client)).toBe('1:7200/75/9 0');
    },
  },
  {
    source: netKeepalive,
    theirs: 'interval 4 s and a user timeout other than the system default read back',
    ours: 'the same, in one call',
    run({ client }) {
      setKeepAlive(client, { interval: 4_000, userTimeout: 1_100 });
      expect(kernelValues(client)).toBe('1:7200/4/9 1100');
    },
  },
  {
    source: netKeepalive,
    theirs: 'null, {}, a class instance and a PassThrough are no sockets: an error',
    ours: 'the same, with a code',
    run() {
      for (const value of [null, {}, new (class {})(), new PassThrough()]) {
        expect(() => setKeepAlive(value as never, 'database')).toThrow(
          expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_TCP' }),
        );
      }
    },
  },
  {
    source: netKeepalive,
    theirs: 'a negative interval reaches setsockopt, which throws',
    ours: 'differs: refused before any system call',
    run({ client }) {
      expect(() => setKeepAlive(client, { interval: -1 })).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
      );
    },
  },
  {
    source: netKeepalive,
    theirs:
      'a socket without a descriptor, and one with a made-up negative descriptor: an error, the second EBADF',
    ours: 'the same, but only a descriptor that can be one reaches the kernel',
    run({ client }) {
      const bare = new net.Socket() as net.Socket & { _handle: unknown };
      expect(() => getKeepAlive(bare)).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_NOT_CONNECTED' }),
      );
      const forged = { connecting: false, destroyed: false, _handle: { fd: -99_999 } };
      expect(() => getKeepAlive(forged as never)).toThrow(
        expect.objectContaining({ code: 'ERR_KEEPALIVE_NO_DESCRIPTOR' }),
      );
      expect(getKeepAlive(client).enable).toBe(false);
    },
  },
  {
    source: netKeepalive,
    theirs: 'setting works only after socket.setKeepAlive(true, ...) was called',
    ours: 'differs: one call does it all',
    run({ client }) {
      setKeepAlive(client, 'database');
      expect(kernelValues(client)).toBe('1:10/5/3 24500');
    },
  },
  {
    source: netKeepalive,
    theirs: 'TCP_KEEPCNT other than the system default reads back',
    ours: 'the same, also when another program wrote it',
    run({ client }) {
      writeRaw(client, 'count', 4);
      expect(getKeepAlive(client).count).toBe(4);
    },
  },
];

describe.each([...new Set(cases.map(({ source }) => source))])('%s', (source) => {
  test.concurrent.each(cases.filter((each) => each.source === source))(
    '$theirs -> $ours',
    async ({ run }) => {
      const pair = await connectedPair();
      try {
        await run(pair);
      } finally {
        await pair.close();
      }
    },
  );
});
