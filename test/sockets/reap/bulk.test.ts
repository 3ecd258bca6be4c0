import { once } from 'node:events';
import net from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import postgresJs from 'postgres';
import { installKeepAlive, keepAlive, setKeepAlive } from 'tcp-keepalive';
import { keepAlivePostgres } from 'tcp-keepalive/postgres';
import { vanish, vanishingProxy } from 'tcp-keepalive/testing';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { forgetOption } from '../../../src/kernel/calls.ts';
import { reaper } from '../../../src/sockets/watched.ts';
import { connection, pair } from '../../helpers/connection.ts';
import { describeWithServer } from '../../helpers/describe-with-server.ts';
import { listen } from '../../helpers/listen.ts';
import { hasRetransmitInterval } from '../../helpers/retransmit-interval.ts';
import { postgres } from '../../helpers/start-postgres.ts';

// As the preset `bulk`, but quicker: an idle peer is given up after 3 s.
const bulk = {
  initialDelay: 1_000,
  interval: 1_000,
  count: 2,
  userTimeout: 0,
  maxRetransmitInterval: 1_000,
} as const;

const kernels = [
  { kernel: 'with TCP_RTO_MAX_MS', has: true, prepare: () => {} },
  // From here to the end of the file.
  { kernel: 'without TCP_RTO_MAX_MS', has: false, prepare: () => forgetOption('maxRetransmitInterval') },
].filter(({ has }) => hasRetransmitInterval || !has);

afterAll(() => expect(reaper().asked).toBeUndefined());

describe.runIf(process.platform === 'linux').each(kernels)('$kernel', ({ has, prepare }) => {
  test('begins', prepare);

  test.each([
    { by: 'a call', options: bulk, starts: !has },
    { by: 'the preset', options: 'bulk', starts: !has },
    { by: 'a user timeout beside it', options: { ...bulk, userTimeout: 5_000 }, starts: false },
    { by: 'options without it', options: { ...bulk, maxRetransmitInterval: undefined }, starts: false },
  ] as const)('a hold by $by starts the reaper: $starts', async ({ options, starts }) => {
    expect(reaper().timer).toBeUndefined();
    const socket = keepAlive(await connection(), options);
    expect(reaper().timer !== undefined).toBe(starts);
    keepAlive(socket, false);
    await vi.waitFor(() => expect(reaper().timer).toBeUndefined(), 5_000);
  });

  test('a rule and a change of a hold start it too, and setKeepAlive alone does not', async () => {
    const port = await listen(net.createServer());
    const uninstall = installKeepAlive([{ port, use: 'bulk' }]);
    onTestFinished(uninstall);
    const opened = net.connect(port, '127.0.0.1');
    await once(opened, 'connect');
    expect(reaper().timer !== undefined).toBe(!has);
    opened.destroy();
    await vi.waitFor(() => expect(reaper().timer).toBeUndefined(), 5_000);

    const socket = await connection();
    setKeepAlive(socket, bulk);
    expect(reaper().timer).toBeUndefined();
    keepAlive(socket, { ...bulk, userTimeout: 5_000 });
    setKeepAlive(socket, { userTimeout: 0 });
    expect(reaper().timer !== undefined).toBe(!has);
    socket.destroy();
    await vi.waitFor(() => expect(reaper().timer).toBeUndefined(), 5_000);
  });

  test('started by itself, it looks only at sockets that need it', async () => {
    const [needs, other] = await Promise.all([pair(), pair()]);
    keepAlive(needs.client, bulk);
    keepAlive(other.client, { ...bulk, maxRetransmitInterval: undefined });
    vanish(needs.client, needs.server, other.client, other.server);
    for (const { client } of [needs, other]) client.write('query');
    await new Promise((resolve) => needs.client.once('close', resolve));
    expect(needs.client.errored).toMatchObject({ code: 'ETIMEDOUT' });
    await sleep(2_500);
    expect(other.client.destroyed).toBe(false);
  });

  describeWithServer('a COPY', postgres, (server) => {
    // More than all buffers on the way can hold.
    const ROWS = 60_000;
    const rows = function* () {
      for (let id = 0; id < ROWS; id++) yield `${id}\t${'x'.repeat(1_000)}\n`;
    };

    /** Copies through a trigger that waits at the first row, while the client has filled every buffer. */
    async function copy(port: number, seconds: number): Promise<number> {
      const { host, user, password, database } = server();
      const config = { host, port, user, password, database, max: 1, onnotice: () => {} };
      const sql = postgresJs(keepAlivePostgres(config, bulk));
      onTestFinished(() => sql.end({ timeout: 0 }));
      await sql`CREATE TEMPORARY TABLE loaded (id int, text text)`;
      await sql`CREATE OR REPLACE FUNCTION pg_temp.wait() RETURNS trigger LANGUAGE plpgsql AS ${sql.unsafe(
        `$$ BEGIN IF NEW.id = 0 THEN PERFORM pg_sleep(${seconds}); END IF; RETURN NEW; END $$`,
      )}`;
      await sql`CREATE TRIGGER wait BEFORE INSERT ON loaded FOR EACH ROW EXECUTE FUNCTION pg_temp.wait()`;
      const target = await sql`COPY loaded FROM STDIN`.writable();
      await pipeline(Readable.from(rows()), target);
      const [counted] = await sql`SELECT count(*)::int FROM loaded`;
      return counted?.count;
    }

    test('under a trigger that is longer than any timer finishes', async () => {
      expect(await copy(server().port, 12)).toBe(ROWS);
    });

    test('whose server is gone in its middle fails in time', async () => {
      const proxy = await vanishingProxy({ to: server().port });
      onTestFinished(() => proxy.close());
      const copied = copy(proxy.port, 20).catch((error: unknown) => error);
      await vi.waitUntil(() => proxy.connections.size > 0, 10_000);
      await sleep(1_500);
      await proxy.vanish();
      const vanished = performance.now();
      expect(await copied).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read' });
      expect(performance.now() - vanished).toBeLessThan(25_000);
    });
  });
});
