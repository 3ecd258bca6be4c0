import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { rightCallFor } from '../../src/sockets/right-call.ts';

const call = () => {};

/** Objects as far as they are looked at. Real ones are in `test/drivers/wrong-targets.test.ts`. */
const known: { what: string; target: Record<string, unknown>; hint: string }[] = [
  {
    what: 'a socket',
    target: { setKeepAlive: call },
    hint: 'call keepAlive(socket, options) for a socket',
  },
  {
    what: 'a fastify instance',
    target: { server: net.createServer() },
    hint: 'call keepAliveServer(app.server, options)',
  },
  {
    what: 'a socket.io server',
    target: { of: call, listen: call, sockets: {} },
    hint: 'call keepAliveServer(httpServer, options) with the HTTP server that socket.io runs on',
  },
  {
    what: 'a BullMQ queue',
    target: { waitUntilReady: call, opts: {} },
    hint: 'call keepAliveBullmq(target, options)',
  },
  {
    what: 'an ioredis client',
    target: { sendCommand: call, status: 'ready' },
    hint: 'call keepAliveIoredis(client, options)',
  },
  {
    what: 'a node-redis client',
    target: { sendCommand: call, isOpen: true },
    hint: "call installKeepAlive([{ port: 6379, use: 'database' }]) for node-redis, which shows no socket",
  },
  { what: 'a database of pg-promise', target: { $pool: {} }, hint: 'call keepAlivePg(db.$pool, options)' },
  {
    what: 'a Prisma adapter',
    target: { adapterName: '@prisma/adapter-pg' },
    hint: 'give Prisma a pool: new PrismaPg(keepAlivePg(new pg.Pool(config), options))',
  },
  {
    what: 'a pool of mariadb',
    target: { getConnection: call, batch: call },
    hint: 'call mariadb.createPool(keepAliveMariadb(config, options))',
  },
  {
    what: 'a pool of mysql2',
    target: { getConnection: call, format: call },
    hint: 'call keepAliveMysql2(pool, options)',
  },
  { what: 'a pool of pg', target: { totalCount: 0 }, hint: 'call keepAlivePg(pool, options)' },
  {
    what: 'an agent',
    target: { createConnection: call, freeSockets: {} },
    hint: 'call keepAliveHttp(agent, options) for an agent',
  },
];

describe('the right call is told', () => {
  test.each(known)('for $what', ({ target, hint }) => {
    expect(rightCallFor(target)).toBe(`; ${hint}`);
  });

  test('for a promise', () => {
    expect(rightCallFor(Promise.resolve())).toBe('; await it first');
  });

  test('for a server', () => {
    expect(rightCallFor(net.createServer())).toBe('; call keepAliveServer(server, options) for a server');
  });
});

describe('nothing is told', () => {
  test.each(known)('for what has only a part of $what', ({ target }) => {
    for (const left of Object.keys(target)) {
      const { [left]: _, ...rest } = target;
      expect({ left, call: rightCallFor(rest) }).toEqual({ left, call: '' });
    }
  });

  test.each(known)('for what has the names of $what, but not their kind', ({ target }) => {
    const names = Object.fromEntries(Object.keys(target).map((name) => [name, undefined]));
    expect(rightCallFor(names)).toBe('');
  });

  test.each([undefined, null, 7, 'pool', {}])('for %s', (value) => {
    expect(rightCallFor(value)).toBe('');
  });
});
