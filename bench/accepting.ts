import { atMost, type Bench, notMeasured, type Row } from './support/bench.ts';
import { inChild } from './support/child.ts';
import { obstacleToStrace, systemCallsPerAccept } from './support/strace.ts';

/** What children/throughput.ts sends: connections made and accepted in a second. */
export type Throughput = readonly { readonly name: string; readonly perSecond: number }[];

export const bench: Bench = {
  title: 'Accepting under keepAliveServer',
  run: async () => [...(await systemCalls()), ...(await throughput())],
};

async function systemCalls(): Promise<Row[]> {
  const obstacle = obstacleToStrace();
  if (obstacle !== undefined) return [notMeasured('system calls for each connection', obstacle)];
  const [without, inherited] = [await systemCallsPerAccept('none'), await systemCallsPerAccept('server')];
  const perSocket = await systemCallsPerAccept('socket');
  const show = (calls: number) => calls.toFixed(2);
  return [
    { what: 'system calls for each connection, plain', measured: show(without) },
    { what: "with setKeepAlive in 'connection'", measured: show(perSocket) },
    { what: 'with keepAliveServer', measured: show(inherited) },
    atMost('  more than plain', Math.max(0, inherited - without), 0, show),
  ];
}

async function throughput(): Promise<Row[]> {
  const results = await inChild<Throughput>('throughput.ts');
  return results.map(({ name, perSecond }) => ({
    what: name,
    measured: `${Math.round(perSecond)} a second`,
  }));
}
