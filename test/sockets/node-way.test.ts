import { once } from 'node:events';
import net from 'node:net';
import { constants } from 'node:os';
import { keepAlive } from 'tcp-keepalive';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { optionNames } from '../../src/options/options.ts';
import { presets } from '../../src/options/presets.ts';
import { type MarkedHandle, PASSES } from '../../src/sockets/hold-record.ts';
import { nodeTakesIntervalAndCount, setWithNode } from '../../src/sockets/node-way.ts';
import { connection } from '../helpers/connection.ts';
import { hideHandles } from '../helpers/fake-windows.ts';
import { handleOf } from '../helpers/handle-of.ts';
import { hideDescriptor, showDescriptor } from '../helpers/hide-descriptor.ts';
import { soonAfter } from '../helpers/hold-parts.ts';
import { missingKoffi } from '../helpers/missing-koffi.ts';
import { type Package, packageOn } from '../helpers/package-on.ts';
import { kernelValues, writeRaw } from '../helpers/raw-options.ts';
import { recordedLibc } from '../helpers/recorded-libc.ts';

// What Node's own call leaves in the kernel for the preset `database`, and what it cannot take.
const databaseByNode = nodeTakesIntervalAndCount ? '1:10/5/3 0' : '1:10/1/10 0';
const lackedByNode = ['userTimeout', 'maxRetransmitInterval'] as const;
const skippedByNode = nodeTakesIntervalAndCount ? lackedByNode : ['interval', 'count', ...lackedByNode];

/** Gives Node's own call another form until the test ends, and tells what it was called with. */
function nodeWith(parameters: 2 | 4): { calls: unknown[][] } {
  const calls: unknown[][] = [];
  const own = net.Socket.prototype.setKeepAlive;
  function record(this: net.Socket, ...args: unknown[]): net.Socket {
    calls.push(args);
    return this;
  }
  net.Socket.prototype.setKeepAlive = Object.defineProperty(record, 'length', { value: parameters });
  onTestFinished(() => {
    net.Socket.prototype.setKeepAlive = own;
  });
  return { calls };
}

/** The process warnings until the test ends. */
function warnings(): () => { message: string; code: string | undefined }[] {
  const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  onTestFinished(() => emit.mockRestore());
  return () =>
    emit.mock.calls.map(([warning, options]) => ({
      message: String(warning),
      code: (options as unknown as { code?: string } | undefined)?.code,
    }));
}

const forms = [
  { form: 2, options: { enable: true }, call: [true], skipped: undefined },
  { form: 2, options: { enable: false }, call: [false], skipped: undefined },
  { form: 2, options: { initialDelay: 9_001 }, call: [true, 10_000], skipped: undefined },
  { form: 2, options: { interval: 5_000 }, call: [true], skipped: ['interval'] },
  { form: 2, options: { enable: false, initialDelay: 9_000 }, call: [false], skipped: ['initialDelay'] },
  { form: 2, options: { userTimeout: 5_000 }, call: undefined, skipped: ['userTimeout'] },
  { form: 2, options: {}, call: undefined, skipped: undefined },
  {
    form: 2,
    options: presets.database,
    call: [true, 10_000],
    skipped: ['interval', 'count', ...lackedByNode],
  },
  { form: 4, options: { enable: true }, call: [true], skipped: undefined },
  { form: 4, options: { initialDelay: 9_001 }, call: [true, 10_000], skipped: undefined },
  // Node takes an interval only with a delay and a count.
  { form: 4, options: { interval: 5_000, count: 3 }, call: [true], skipped: ['interval', 'count'] },
  {
    form: 4,
    options: { initialDelay: 10_000, count: 3 },
    call: [true, 10_000],
    skipped: ['count'],
  },
  {
    form: 4,
    options: { ...presets.database, enable: false },
    call: [false],
    skipped: ['initialDelay', 'interval', 'count', ...lackedByNode],
  },
  { form: 4, options: presets.database, call: [true, 10_000, 5_000, 3], skipped: lackedByNode },
] as const;

describe.each([
  { where: 'a worker on Windows', platform: 'win32', hide: hideDescriptor },
  { where: 'a runtime that gives no descriptor', platform: 'linux', hide: hideDescriptor },
  { where: 'a system that nobody has written', platform: 'aix', hide: () => {} },
])('on $where, here a fake of it', ({ platform, hide }) => {
  beforeEach(hideHandles);

  test.each(forms)(
    'Node with $form parameters does for $options: $call',
    async ({ form, options, call, skipped }) => {
      const client = await connection();
      const { calls } = nodeWith(form);
      const system = recordedLibc();
      const { setKeepAlive } = await packageOn(platform);
      hide(client);

      const applied = setKeepAlive(client, options);

      // There may be others before, since Node skips a call that equals its last one.
      expect(calls.at(-1)).toEqual(call);
      expect(applied.skipped).toEqual(skipped);
      const written = Object.keys(applied).filter((name) => name !== 'skipped');
      const asked =
        Object.keys(options).length === 0 || 'userTimeout' in options
          ? options
          : { enable: true, ...options };
      expect(written.sort()).toEqual(
        Object.keys(asked)
          .filter((name) => !skipped?.some((lacking) => lacking === name))
          .sort(),
      );
      expect(Object.isFrozen(applied)).toBe(true);
      // Never another system's numbers.
      expect(system.calls).toEqual([]);
    },
  );

  test.each(forms)('strict with $form parameters for $options', async ({ form, options, call, skipped }) => {
    const client = await connection();
    const { calls } = nodeWith(form);
    const { setKeepAlive } = await packageOn(platform);
    hide(client);
    const set = () => setKeepAlive(client, options, { strict: true });
    if (skipped === undefined) {
      set();
      expect(calls.at(-1)).toEqual(call);
    } else {
      expect(set).toThrow(
        expect.objectContaining({
          code: 'ERR_KEEPALIVE_UNSUPPORTED',
          message: expect.stringMatching(
            new RegExp(
              `^Cannot set ${skipped
                .filter((name) => name !== 'maxRetransmitInterval')
                .map((name) => `\`${name}\`( \\(\\w+\\))?`)
                .join(
                  ', ',
                )} on ${platform}, and strict asks for every option; leave strict out to set the rest$`,
            ),
          ),
          applied: [],
        }),
      );
      expect(calls).toEqual([]);
    }
  });

  test.runIf(process.platform === 'linux')('the kernel has what Node can set', async () => {
    const client = await connection();
    const { setKeepAlive } = await packageOn(platform);
    hide(client);
    expect(setKeepAlive(client, 'database').skipped).toEqual(skippedByNode);
    showDescriptor(client);
    expect(kernelValues(client)).toBe(databaseByNode);
  });

  test('nothing can be read back', async () => {
    const client = await connection();
    const { getKeepAlive } = await packageOn(platform);
    hide(client);
    expect(() => getKeepAlive(client)).toThrow(
      expect.objectContaining(
        platform === 'aix'
          ? {
              code: 'ERR_KEEPALIVE_UNSUPPORTED',
              message:
                'Cannot read options on aix, whose numbers are unknown; CONTRIBUTING.md says how to add a system',
            }
          : {
              code: 'ERR_KEEPALIVE_NO_DESCRIPTOR',
              message: `Cannot read the options of this socket: this runtime shows no descriptor of it on ${platform}`,
            },
      ),
    );
  });

  test('options are checked all the same', async () => {
    const client = await connection();
    const { calls } = nodeWith(2);
    const { setKeepAlive } = await packageOn(platform);
    hide(client);
    expect(() => setKeepAlive(client, { initialDelay: 10 })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_INVALID_OPTION' }),
    );
    expect(calls).toEqual([]);
  });

  test.runIf(process.platform === 'linux')(
    'a hold keeps what Node set, and tells what is missing',
    async () => {
      const warned = warnings();
      const [client, other] = [await connection(), await connection()];
      const { keepAlive } = await packageOn(platform);
      hide(client);
      hide(other);
      const problems: Error[] = [];
      expect(keepAlive(client, 'database', { onError: (error) => problems.push(error) })).toBe(client);
      client.setKeepAlive(true, 60_000);
      showDescriptor(client);
      expect(kernelValues(client)).toBe(databaseByNode);
      const missing = skippedByNode.filter((name) => name !== 'maxRetransmitInterval');
      const message = expect.stringContaining(
        `Cannot set ${missing.map((name) => `\`${name}\``).join(', ')}: `,
      );
      expect(problems).toEqual([expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED', message })]);
      expect(warned()).toEqual([]);

      // Without onError it is a process warning, and without a loss nothing.
      keepAlive(other, { initialDelay: 10_000, userTimeout: 0, maxRetransmitInterval: 2_000 });
      expect(warned()).toEqual([]);
      keepAlive(other, 'database');
      keepAlive(other, 'tunnel');
      expect(warned()).toEqual([{ code: 'ERR_KEEPALIVE_UNSUPPORTED', message }]);
    },
  );

  test('what the system refuses is not reported as set', async () => {
    const client = await connection();
    const { setKeepAlive } = await packageOn(platform);
    hide(client);
    const handle = handleOf(client);
    const refuse = vi.spyOn(handle, 'setKeepAlive').mockReturnValue(-92);
    expect(setKeepAlive(client, { initialDelay: 10_000 })).toEqual({ skipped: ['enable', 'initialDelay'] });
    expect(() => setKeepAlive(client, { enable: true }, { strict: true })).toThrow(
      expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED' }),
    );
    expect(handle.setKeepAlive).toBe(refuse);
  });
});

describe.runIf(process.platform === 'linux')('without koffi, here a fake that does not load', () => {
  const cause = new Error("Cannot find module 'koffi'\nRequire stack:\n- /somewhere");
  const message = 'Cannot load koffi, which calls setsockopt. Install it';
  const unloadable = new Error(message, { cause });
  const failure = { code: 'ERR_KEEPALIVE_UNSUPPORTED', cause, applied: [], message };

  test('what a caller asks for by name throws, and changes nothing', async () => {
    const client = await connection();
    const before = kernelValues(client);
    missingKoffi(unloadable);
    const { getKeepAlive, getTcpInfo, setKeepAlive } = await packageOn('linux');
    expect(() => setKeepAlive(client, 'database')).toThrow(expect.objectContaining(failure));
    expect(() => setKeepAlive(client, { enable: true })).toThrow(expect.objectContaining(failure));
    expect(() => getKeepAlive(client)).toThrow(expect.objectContaining(failure));
    expect(() => getTcpInfo(client)).toThrow(expect.objectContaining(failure));
    expect(kernelValues(client)).toBe(before);
  });

  test('holds make Node’s own call, keep what it set, and warn once for all', async () => {
    const warned = warnings();
    const [open, later] = [await connection(), new net.Socket()];
    missingKoffi(unloadable);
    const { keepAlive } = await packageOn('linux');
    const problems: Error[] = [];

    keepAlive(open, 'database', { onError: (error) => problems.push(error) });
    expect(kernelValues(open)).toBe(databaseByNode);
    open.setKeepAlive(true, 60_000);
    expect(kernelValues(open)).toBe(databaseByNode);

    keepAlive(later, 'database');
    await connectToListener(later);
    expect(kernelValues(later)).toBe(databaseByNode);

    expect(problems).toEqual([]);
    const left = nodeTakesIntervalAndCount
      ? 'no bound on unacknowledged data and no reading back'
      : 'probes every 1 s, 10 times, after the initial delay, no bound on unacknowledged data, and no reading back';
    expect(warned()).toEqual([
      {
        code: 'ERR_KEEPALIVE_UNSUPPORTED',
        message: `${failure.message}. Until then Node's own setKeepAlive is used: ${left}`,
      },
    ]);
  });

  test.each<{ whose: string; serve: (lib: Package, server: net.Server) => void }>([
    { whose: 'a server', serve: (lib, server) => void lib.keepAliveServer(server, 'database') },
    {
      whose: 'a listener with a rule',
      serve: (lib) => onTestFinished(lib.installKeepAlive([{ side: 'server', use: 'database' }])),
    },
  ])('each connection of $whose gets Node’s own call, and all one warning', async ({ serve }) => {
    const warned = warnings();
    missingKoffi(unloadable);
    const server = net.createServer();
    serve(await packageOn('linux'), server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    for (const _ of ['first', 'second']) {
      const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
      const [accepted] = (await once(server, 'connection')) as [net.Socket];
      onTestFinished(() => {
        client.destroy();
        accepted.destroy();
      });
      await soonAfter();
      expect(kernelValues(accepted)).toBe(databaseByNode);
    }
    onTestFinished(() => void server.close());
    expect(warned()).toEqual([expect.objectContaining({ code: 'ERR_KEEPALIVE_UNSUPPORTED' })]);
  });
});

test.each([
  { form: 2, reach: ['enable', 'initialDelay'] },
  { form: 4, reach: ['enable', 'initialDelay', 'interval', 'count'] },
] as const)('within reach of Node with $form parameters: $reach', async ({ form, reach }) => {
  nodeWith(form);
  vi.resetModules();
  const { isWithinNodesReach } = await import('../../src/sockets/node-way.ts');
  expect(optionNames.filter(isWithinNodesReach)).toEqual(reach);
});

/** Connects a socket to a listener that goes with the test. */
async function connectToListener(socket: net.Socket): Promise<void> {
  const listener = net.createServer((accepted) => accepted.resume()).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(() => {
    socket.destroy();
    listener.close();
  });
  socket.connect((listener.address() as net.AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
}

describe.runIf(process.platform === 'linux')('Node’s own call', () => {
  test('reaches the system also if it equals the last one', async () => {
    const socket = await connection();
    const options = { enable: true, initialDelay: 10_000 };
    socket.setKeepAlive(true, 10_000);
    writeRaw(socket, 'enable', 0);
    writeRaw(socket, 'initialDelay', 99);
    expect(setWithNode(socket, options, true)).toEqual(options);
    expect(kernelValues(socket)).toMatch(/^1:10\//);
    for (const _ of ['first', 'equal']) {
      writeRaw(socket, 'enable', 1);
      expect(setWithNode(socket, { enable: false }, true)).toEqual({ enable: false });
      expect(kernelValues(socket)).toMatch(/^0:/);
    }
  });

  test('turns probes on without a delay, which the system then refuses: it has its own', async () => {
    const socket = await connection();
    writeRaw(socket, 'initialDelay', 99);
    expect(setWithNode(socket, { enable: true }, true)).toEqual({ enable: true });
    expect(kernelValues(socket)).toMatch(/^1:99\//);
  });

  test('sets nothing that the system refuses', async () => {
    const socket = await connection();
    const tooLong = { enable: true, initialDelay: 40_000_000 };
    expect(setWithNode(socket, tooLong, false)).toEqual({ skipped: ['enable', 'initialDelay'] });
    const handle = handleOf(socket);
    handle.setKeepAlive = () => -constants.errno.EBADF;
    expect(setWithNode(socket, { enable: true }, false)).toEqual({ skipped: ['enable'] });
  });

  test('leaves the handle as it was', async () => {
    const socket = await connection();
    const handle = handleOf(socket);
    setWithNode(socket, { enable: true }, true);
    expect(Object.hasOwn(handle, 'setKeepAlive')).toBe(false);
    const { setKeepAlive } = handle;
    const own = function (this: object, ...args: unknown[]): number {
      return Reflect.apply(setKeepAlive, this, args);
    };
    handle.setKeepAlive = own;
    setWithNode(socket, { enable: false }, true);
    expect(handle.setKeepAlive).toBe(own);
  });

  test('passes a hold of another copy, which would keep it from the kernel', async () => {
    const socket = keepAlive(await connection(), { initialDelay: 5_000, interval: 7_000, count: 4 });
    setWithNode(socket, { enable: true, initialDelay: 10_000 }, true);
    // The hold is left out once only.
    expect((handleOf(socket) as MarkedHandle)[PASSES]).toBe(false);
    expect(kernelValues(socket)).toMatch(/^1:5\/7\/4/);
  });
});

test('an option is left to Node only if the system forgot it, and Node can set it', async () => {
  await packageOn('openbsd');
  const { isLeftToNode } = await import('../../src/sockets/node-way.ts');
  expect(optionNames.filter(isLeftToNode)).toEqual([]);
});
