import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { vanish } from 'tcp-keepalive/testing';
import { expect, onTestFinished, test } from 'vitest';
import { keepAlivePg } from '../../src/drivers/pg.ts';
import { getTcpInfo, type KeepAliveOptions, presets } from '../../src/index.ts';
import { predictDetection } from '../../src/predict/predict.ts';
import { describeWithServer } from '../helpers/describe-with-server.ts';
import { expectWithin } from '../helpers/detection.ts';
import { hasRetransmitInterval } from '../helpers/retransmit-interval.ts';
import { postgres } from '../helpers/start-postgres.ts';

// A server that is busy takes nothing more from a COPY, and acknowledges that it has no room.

/** The presets in the least time that kernels count in. With `bulk`, data in flight is given up after 15 s. */
const scaled = { initialDelay: 1_000, interval: 1_000, count: 2 } as const;
const bulk = { ...presets.bulk, ...scaled, maxRetransmitInterval: 1_000 } satisfies KeepAliveOptions;
const database = { ...presets.database, ...scaled, userTimeout: 2_500 } satisfies KeepAliveOptions;

/** How long the trigger takes: longer than any timer. */
const BUSY = 18_000;
/** Rows are sent until the buffers of both ends are full, a thousand of a kilobyte at a time. */
const ROWS = 1_000;
const rows = Buffer.from(`${'x'.repeat(1_000)}\n`.repeat(ROWS));

interface CopyConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

/** A query of pg that sends rows, as pg-copy-streams does, until the server has no room for a while. */
class CopyFrom {
  /** How many rows were sent. */
  sent = 0;
  readonly done: Promise<Error | undefined>;
  readonly #table: string;
  readonly #socket: Socket;
  #settle: (error: Error | undefined) => void = () => {};
  constructor(table: string, socket: Socket) {
    this.#table = table;
    this.#socket = socket;
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }
  submit(connection: CopyConnection): void {
    connection.query(`COPY ${this.#table} (text) FROM STDIN`);
  }
  handleCopyInResponse(connection: CopyConnection): void {
    void this.#send(connection);
  }
  async #send(connection: CopyConnection): Promise<void> {
    while (!(await hasNoRoom(this.#socket))) {
      connection.sendCopyFromChunk(rows);
      this.sent += ROWS;
    }
    connection.endCopyFrom();
  }
  handleError(error: Error): void {
    this.#settle(error);
  }
  handleReadyForQuery(): void {
    this.#settle(undefined);
  }
  handleCommandComplete(): void {}
}

/** Whether the peer takes nothing more: nothing is under way, although there is something to send. */
async function hasNoRoom(socket: Socket): Promise<boolean> {
  const isStuck = () => {
    if (socket.destroyed) return true;
    const { unacked, notSentBytes = 0 } = getTcpInfo(socket);
    return unacked === 0 && notSentBytes > 0;
  };
  await sleep(1);
  if (!isStuck()) return false;
  await sleep(200);
  return isStuck();
}

describeWithServer('a COPY into a server that is busy for longer than any timer', postgres, (server) => {
  /** A COPY that has begun, into a table whose first row takes long. */
  async function begin(table: string, options: KeepAliveOptions) {
    const { host, port, user, password, database } = server();
    const client = keepAlivePg(new pg.Client({ host, port, user, password, database }), options);
    client.on('error', () => {});
    await client.connect();
    onTestFinished(() => client.end().catch(() => {}));
    await client.query(`
      CREATE TABLE ${table} (id serial, text text);
      CREATE FUNCTION ${table}() RETURNS trigger AS $$
      BEGIN IF NEW.id = 1 THEN PERFORM pg_sleep(${BUSY / 1_000}); END IF; RETURN NEW; END $$ LANGUAGE plpgsql;
      CREATE TRIGGER busy BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${table}();`);
    const socket = (client as unknown as { connection: { stream: Socket } }).connection.stream;
    const copy = new CopyFrom(table, socket);
    client.query(copy as never);
    return { client, socket, copy };
  }

  test('finishes with bulk', async () => {
    const began = performance.now();
    const { client, copy } = await begin('finishing', bulk);
    expect(await copy.done).toBeUndefined();
    expect(performance.now() - began).toBeGreaterThan(BUSY);
    const { rows: counted } = await client.query('SELECT count(*)::int FROM finishing');
    expect(counted).toEqual([{ count: copy.sent }]);
  });

  test('ends with a user timeout', async () => {
    const { copy } = await begin('ending', database);
    expect(await copy.done).toMatchObject({ code: 'ETIMEDOUT' });
  });

  test.runIf(hasRetransmitInterval)(
    'ends in time with bulk if the server vanishes in its middle',
    async () => {
      const { socket, copy } = await begin('vanishing', bulk);
      while (!(await hasNoRoom(socket))) await sleep(50);
      const { rto } = getTcpInfo(socket);
      vanish(socket);
      const vanished = performance.now();
      expect(await copy.done).toMatchObject({ code: 'ETIMEDOUT' });
      // The kernel gives up after as many window probes as retransmissions.
      const { latest } = predictDetection(bulk, { rto }).unacknowledged;
      expectWithin({ earliest: 0, latest }, vanished);
    },
  );
});
