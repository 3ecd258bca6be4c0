import { installKeepAlive, predictDetection } from 'tcp-keepalive';
import { outageOf, spoken, startFailover } from '../test/helpers/failover.ts';
import {
  type ClientOptions,
  type FailoverDriver,
  failoverDrivers,
} from '../test/helpers/failover-clients.ts';
import type { RunningServer } from '../test/helpers/server-process.ts';
import { atMost, type Bench, notMeasured, type Row } from './support/bench.ts';

const PRESET = 'fastFailover';
/** When the name moves to the other server, after the first has vanished, as that of a managed database does. */
const MOVE_AFTER = 25_000;
const PATIENCE = 180_000;
const OWN_TIMEOUT = 5_000;

/** Who bounds a driver's connections, and whether that is this library, which has to keep its word. */
const ways: readonly { way: string; isOurs: boolean; options: ClientOptions; rule?: boolean }[] = [
  { way: `its module, ${PRESET}`, isOurs: true, options: { hold: PRESET } },
  { way: `a rule, ${PRESET}`, isOurs: true, options: {}, rule: true },
  { way: 'as it comes', isOurs: false, options: {} },
  {
    way: `its own connect timeout of ${OWN_TIMEOUT / 1_000} s`,
    isOurs: false,
    options: { connectTimeout: OWN_TIMEOUT },
  },
];

export const bench: Bench = {
  title: `Failover: answered again after the name has moved, ${MOVE_AFTER / 1_000} s after the server vanished`,
  async run() {
    const rows = await Promise.all(failoverDrivers.map(rowsOf));
    return rows.flat();
  },
};

async function rowsOf(driver: FailoverDriver): Promise<Row[]> {
  const missing = process.platform === 'linux' ? driver.server.missing() : 'it needs Linux';
  if (missing !== undefined) return [notMeasured(driver.driver, missing)];
  const server = await driver.server.start();
  try {
    return await Promise.all(ways.map((way) => measure(driver, server, way)));
  } finally {
    await server.stop();
  }
}

async function measure(
  { driver, backOff, open }: FailoverDriver,
  server: RunningServer,
  { way, isOurs, options, rule }: (typeof ways)[number],
): Promise<Row> {
  const failover = await startFailover(server);
  const { host } = failover;
  const uninstall = rule ? installKeepAlive([{ host, use: PRESET }]) : () => {};
  const client = open({ ...server, host }, options);
  const { recoveredAfter, failed } = await outageOf(failover, client.query, {
    moveAfter: MOVE_AFTER,
    patience: PATIENCE,
  });
  uninstall();
  await failover.close();
  // What it has not answered until now, nobody waits for.
  client.end().catch(() => {});
  const errors = [...new Set(failed.map(({ error }) => spoken(error)))].join(', ') || 'no error';
  const what = `${driver}, ${way} (${errors})`;
  const seconds = (value: number) =>
    value === Infinity ? `not in ${PATIENCE / 1_000} s` : `${(value / 1_000).toFixed(1)} s`;
  const measured = recoveredAfter ?? Infinity;
  // A query each second, and the time that the driver itself waits before it connects again.
  const limit = predictDetection(PRESET).connecting.latest + 2_000 + backOff;
  return isOurs ? atMost(what, measured, limit, seconds) : { what, measured: seconds(measured) };
}
