import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { keepAlive, keepAliveFor, setKeepAlive } from 'tcp-keepalive';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { KeepAliveSettings } from '../../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../../src/options/parse.ts';
import { holdSocket } from '../../../src/sockets/hold.ts';
import {
  DRIVER,
  EXPLICIT,
  HOLD,
  type HoldOwner,
  type MarkedHandle,
  RULE,
  WATCHED,
} from '../../../src/sockets/hold-record.ts';
import { connection } from '../../helpers/connection.ts';
import { handleOf } from '../../helpers/handle-of.ts';
import { soonAfter } from '../../helpers/hold-parts.ts';
import { listen } from '../../helpers/listen.ts';
import { kernelValues } from '../../helpers/raw-options.ts';
import { certificate, certificateKey } from '../../helpers/test-certificate.ts';
import { tlsPair } from '../../helpers/tls-pair.ts';

/** Options that tell in the kernel who set them. */
function sign(initialDelay: number): KeepAliveSettings {
  return parseKeepAliveOptions({ initialDelay, interval: 5_000, count: 3, userTimeout: 20_000 });
}
const inKernel = {
  library: '1:9/5/3 20000',
  rule: '1:11/5/3 20000',
  driver: '1:12/5/3 20000',
  explicit: '1:13/5/3 20000',
};

type Act = (socket: net.Socket, owner?: HoldOwner) => void;
const rule: Act = (socket, owner) => holdSocket(socket, { settings: sign(11_000), rank: RULE, owner });
const driver: Act = (socket) => holdSocket(socket, { settings: sign(12_000), rank: DRIVER });
const explicit: Act = (socket) => void keepAlive(socket, sign(13_000));
const library: Act = (socket) => void keepAliveFor('my-client', socket, sign(9_000));
const acts = { library, rule, driver, explicit };
type Name = keyof typeof acts;

const orders: { order: readonly Name[]; winner: Name }[] = [
  { order: ['rule', 'driver', 'explicit'], winner: 'explicit' },
  { order: ['rule', 'explicit', 'driver'], winner: 'explicit' },
  { order: ['driver', 'rule', 'explicit'], winner: 'explicit' },
  { order: ['driver', 'explicit', 'rule'], winner: 'explicit' },
  { order: ['explicit', 'rule', 'driver'], winner: 'explicit' },
  { order: ['explicit', 'driver', 'rule'], winner: 'explicit' },
  { order: ['rule', 'driver'], winner: 'driver' },
  { order: ['driver', 'rule'], winner: 'driver' },
  { order: ['rule'], winner: 'rule' },
  { order: ['library'], winner: 'library' },
  { order: ['library', 'rule'], winner: 'rule' },
  { order: ['rule', 'library'], winner: 'rule' },
  { order: ['library', 'driver'], winner: 'driver' },
  { order: ['driver', 'library'], winner: 'driver' },
  { order: ['library', 'explicit'], winner: 'explicit' },
  { order: ['explicit', 'library'], winner: 'explicit' },
];

async function connecting(): Promise<net.Socket> {
  const socket = net.connect(await listen(net.createServer()), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  return socket;
}

async function settled(socket: net.Socket): Promise<string> {
  if (socket.connecting) await once(socket, 'connect');
  await soonAfter();
  return kernelValues(socket);
}

describe.runIf(process.platform === 'linux')('who has more say', () => {
  describe.each(orders)('$order: $winner', ({ order, winner }) => {
    test('on an open socket', async () => {
      const socket = await connection();
      for (const name of order) acts[name](socket);
      socket.setKeepAlive(true, 33_000);
      expect(kernelValues(socket)).toBe(inKernel[winner]);
    });

    test('before it connects', async () => {
      const socket = await connecting();
      for (const name of order) acts[name](socket);
      expect(await settled(socket)).toBe(inKernel[winner]);
    });
  });

  test.each<Name>(['rule', 'driver'])('a %s leaves what setKeepAlive set', async (name) => {
    const socket = await connection();
    setKeepAlive(socket, sign(13_000));
    acts[name](socket);
    expect(kernelValues(socket)).toBe(inKernel.explicit);
  });

  test.each<Name>(['rule', 'driver'])(
    "a %s leaves what an earlier 'connect' listener set with setKeepAlive",
    async (name) => {
      const socket = await connecting();
      socket.on('connect', () => setKeepAlive(socket, sign(13_000)));
      acts[name](socket);
      expect(await settled(socket)).toBe(inKernel.explicit);
    },
  );

  test.each<Name>(['rule', 'driver'])(
    "a %s leaves what an earlier 'connect' listener set on TLS that it started",
    async (name) => {
      const port = await listen(tls.createServer({ cert: certificate, key: certificateKey }));
      const under = new net.Socket();
      under.on('connect', () => {
        const over = tls.connect({ socket: under, ca: certificate, servername: 'localhost' });
        onTestFinished(() => void over.destroy());
        setKeepAlive(over, sign(13_000));
      });
      // Now there is no handle yet that both could find the hold on.
      acts[name](under);
      under.connect(port, '127.0.0.1');
      expect(await settled(under)).toBe(inKernel.explicit);
    },
  );

  describe('a rule leaves no listener', () => {
    const listeners = (socket: net.Socket) =>
      (['connect', 'connectionAttempt'] as const).map((event) => socket.listenerCount(event));

    test('on a socket that is connected', async () => {
      const socket = await connection();
      const before = listeners(socket);
      rule(socket);
      expect(listeners(socket)).toEqual(before);
    });

    test('on one that connects already', async () => {
      const socket = await connecting();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      const before = listeners(socket);
      rule(socket);
      expect(listeners(socket)).toEqual(before);
      expect(await settled(socket)).toBe(inKernel.rule);
    });

    test('once one that is yet to connect has connected, each time that it does', async () => {
      const port = await listen(net.createServer());
      const socket = new net.Socket();
      const before = listeners(socket);
      for (let i = 0; i < 2; i++) {
        rule(socket);
        expect(listeners(socket)).not.toEqual(before);
        socket.connect(port, '127.0.0.1');
        expect(await settled(socket)).toBe(inKernel.rule);
        expect(listeners(socket)).toEqual(before);
        socket.destroy();
        await once(socket, 'close');
      }
    });
  });

  test('keepAlive holds after setKeepAlive too', async () => {
    const socket = await connection();
    setKeepAlive(socket, { count: 4 });
    explicit(socket);
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe(inKernel.explicit);
  });

  test('a driver leaves what setKeepAlive made of a rule’s hold', async () => {
    const socket = await connection();
    rule(socket);
    setKeepAlive(socket, { count: 4 });
    driver(socket);
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe('1:11/5/4 20000');
  });

  test.each<Name>(['rule', 'driver'])('a %s does not undo keepAlive(socket, false)', async (name) => {
    const open = await connection();
    const before = kernelValues(open);
    keepAlive(open, false);
    acts[name](open);
    expect(kernelValues(open)).toBe(before);

    const soon = keepAlive(await connecting(), false);
    acts[name](soon);
    expect(await settled(soon)).toBe(before);
  });

  test.each<Name>(['rule', 'driver'])('keepAlive(socket, false) ends what a %s holds', async (name) => {
    const socket = await connection();
    acts[name](socket);
    keepAlive(socket, false);
    socket.setKeepAlive(true, 33_000);
    expect(kernelValues(socket)).toBe('1:33/1/10 20000');
  });

  test('an owner’s release ends its holds and no others', async () => {
    const owner: HoldOwner = { released: false, name: 'a rule' };
    const [ruled, driven, asked] = await Promise.all([connection(), connection(), connection()]);
    for (const socket of [ruled, driven, asked]) rule(socket, owner);
    driver(driven);
    setKeepAlive(asked, { count: 4 });
    owner.released = true;
    for (const socket of [ruled, driven, asked]) socket.setKeepAlive(true, 33_000);
    expect(kernelValues(ruled)).toBe('1:33/1/10 20000');
    expect(kernelValues(driven)).toBe(inKernel.driver);
    expect(kernelValues(asked)).toBe('1:11/5/4 20000');
  });

  test('an owner’s release before the connection leaves the connection alone', async () => {
    const owner: HoldOwner = { released: false, name: 'a rule' };
    const socket = await connecting();
    rule(socket, owner);
    owner.released = true;
    expect(await settled(socket)).toBe(kernelValues(await connection()));
  });

  test('after a release others may hold', async () => {
    const owner: HoldOwner = { released: false, name: 'a rule' };
    const socket = await connection();
    holdSocket(socket, { settings: sign(13_000), rank: EXPLICIT, owner });
    owner.released = true;
    rule(socket);
    expect(kernelValues(socket)).toBe(inKernel.rule);
  });

  test.each<Name>(['rule', 'driver'])(
    'a %s on TLS leaves what is held on the socket underneath',
    async (name) => {
      const port = await listen(tls.createServer({ cert: certificate, key: certificateKey }));
      const under = net.connect(port, '127.0.0.1');
      explicit(under);
      const over = tls.connect({ socket: under, ca: certificate, servername: 'localhost' });
      onTestFinished(() => void over.destroy());
      acts[name](over);
      await once(over, 'secureConnect');
      expect(kernelValues(under)).toBe(inKernel.explicit);
    },
  );

  test('setKeepAlive on TLS changes what is held on the socket underneath', async () => {
    const port = await listen(tls.createServer({ cert: certificate, key: certificateKey }));
    const under = net.connect(port, '127.0.0.1');
    await once(under, 'connect');
    explicit(under);
    const over = tls.connect({ socket: under, ca: certificate, servername: 'localhost' });
    onTestFinished(() => void over.destroy());
    setKeepAlive(over, { count: 4 });
    under.setKeepAlive(true, 33_000);
    expect(kernelValues(under)).toBe('1:13/5/4 20000');
  });

  describe('TLS started on a socket that still connects', () => {
    async function overConnecting() {
      const port = await listen(tls.createServer({ cert: certificate, key: certificateKey }));
      const under = net.connect(port, '127.0.0.1');
      const startTls = () => {
        const over = tls.connect({ socket: under, ca: certificate, servername: 'localhost' });
        onTestFinished(() => void over.destroy());
        return over;
      };
      return { under, startTls };
    }

    test.each([{ last: 'under' }, { last: 'over' }] as const)(
      'the last call wins: $last',
      async ({ last }) => {
        const { under, startTls } = await overConnecting();
        keepAlive(under, sign(14_000));
        const over = startTls();
        for (const socket of last === 'under' ? [over, under] : [under, over]) {
          keepAlive(socket, sign(socket === over ? 15_000 : 16_000));
        }
        await once(over, 'secureConnect');
        expect(await settled(under)).toBe(last === 'under' ? '1:16/5/3 20000' : '1:15/5/3 20000');
      },
    );

    test('false on it ends what the socket underneath was to hold', async () => {
      const { under, startTls } = await overConnecting();
      keepAlive(under, sign(14_000));
      const over = startTls();
      keepAlive(over, false);
      await once(over, 'secureConnect');
      expect(await settled(under)).toBe(kernelValues(await connection()));
    });
  });
});

test('the reaper knows what is read of TLS on a held socket, also if what is asked for it comes too late', async () => {
  const { client, close } = await tlsPair('127.0.0.1', (port) =>
    keepAlive(net.connect(port, '127.0.0.1'), sign(13_000)),
  );
  onTestFinished(close);
  const { _parent: under } = handleOf(client) as { _parent?: MarkedHandle };
  expect(under?.[HOLD]?.settings).toEqual(sign(13_000));
  rule(client);
  expect(under?.[HOLD]?.settings).toEqual(sign(13_000));
  expect(under?.[WATCHED]?.reader?.deref()).toBe(handleOf(client));
});

test.each([undefined, '', 7, null])(
  'a library has a name: %j is refused, and the socket is left as it was',
  (name) => {
    const socket = new net.Socket();
    expect(() => keepAliveFor(name as string, socket, 'database')).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
    );
    expect(socket.listenerCount('connect')).toBe(0);
  },
);
