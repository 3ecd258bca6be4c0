import { describe, expect, it, test } from 'vitest';
import { type Ping, Vigil, type Watched } from '../../src/heartbeat/beat.ts';

interface Row {
  readonly name: string;
  readonly every: number;
  readonly timeout: number;
  /** Who is asked at a beat, by name; one target called `a` by default. */
  readonly targets?: string;
  /** Whether it is known how many bytes have come from the targets. */
  readonly hears?: boolean;
  /** What happens when: `a answers`, `a fails`, `a leaves`, `a speaks`, `a is paused`, `a is resumed`. */
  readonly happens?: Readonly<Record<number, string>>;
  /** A time in which nothing is decided, because the process is busy. */
  readonly busy?: readonly [from: number, to: number];
  readonly until: number;
  /** What the vigil decides, a line for each time at which there is something to tell. */
  readonly want: readonly string[];
}

interface Target extends Watched {
  readonly name: string;
  bytesRead?: number;
  isPaused?: boolean;
}

/** Asks a vigil whenever it wants to be asked, and writes down what it decides. */
function decisions({ happens = {}, busy = [0, 0], until, ...row }: Row): string[] {
  const vigil = new Vigil<Target>(row, 0);
  const names = (row.targets ?? 'a').split(' ');
  const asked = new Set<Target>(names.map((name) => ({ name, ...(row.hears && { bytesRead: 0 }) })));
  const pings = new Map<string, Ping<Target>>();
  const events = Object.entries(happens).map(([time, event]) => ({ time: Number(time), event }));
  const lines: string[] = [];
  let missed = 0;

  const happen = (now: number, event: string) => {
    const [name = '', what] = event.split(/ (.*)/);
    const ping = pings.get(name);
    const target = ping?.target ?? [...asked].find((each) => each.name === name);
    if (target === undefined) throw new Error(`${name} is no target`);
    if (what === 'leaves') asked.delete(target);
    else if (what === 'speaks') target.bytesRead = (target.bytesRead ?? 0) + 1;
    else if (what === 'is paused' || what === 'is resumed') target.isPaused = what === 'is paused';
    else if (ping === undefined) throw new Error(`${name} is pinged before ${now}`);
    else if (what === 'answers') vigil.answered(ping, now);
    else vigil.failed(ping, new Error(`at ${now}`));
  };
  const wake = (now: number) => {
    const due = vigil.due(now, () => asked);
    for (const target of due) pings.set(target.name, vigil.sent(target, now));
    const told = due.map(({ name }) => `ping ${name}`);
    if (vigil.misses !== missed) told.push(`${vigil.misses} missed`);
    missed = vigil.misses;
    for (const [{ name }, { duration, misses, error }] of vigil.takeSilent(now)) {
      const cause = error instanceof Error ? `, failed ${error.message}` : '';
      told.push(`${name} dead for ${duration}, ${misses} missed${cause}`);
      missed -= misses;
    }
    if (told.length > 0) lines.push(`${now}: ${told.join(', ')}`);
  };

  for (let now = 0; ; ) {
    const wakesAt = Math.max(vigil.nextWake, now + 1);
    const woken = wakesAt >= busy[0] && wakesAt < busy[1] ? busy[1] : wakesAt;
    const { time, event } = events[0] ?? { time: Number.POSITIVE_INFINITY, event: '' };
    now = Math.min(time, woken);
    if (now > until) return lines;
    if (now === woken) wake(now);
    else happen(now, event);
    if (now !== woken) events.shift();
  }
}

describe('a vigil', () => {
  test.each<Row>([
    {
      name: 'asks at each beat a target that answers',
      every: 10_000,
      timeout: 25_000,
      happens: { 10040: 'a answers', 20040: 'a answers', 30040: 'a answers' },
      until: 39_999,
      want: ['10000: ping a', '20000: ping a', '30000: ping a'],
    },
    {
      name: 'does not pile up pings, counts misses, and gives a target up once',
      every: 10_000,
      timeout: 25_000,
      until: 35_000,
      want: ['10000: ping a', '20000: 1 missed', '30000: 2 missed', '35000: a dead for 25000, 2 missed'],
    },
    {
      name: 'asks a target again that was given up, if it is still there',
      every: 10_000,
      timeout: 1_000,
      until: 20_000,
      want: ['10000: ping a', '11000: a dead for 1000, 0 missed', '20000: ping a'],
    },
    {
      name: 'lets an answer count that is late but in time',
      every: 10_000,
      timeout: 25_000,
      happens: { 34999: 'a answers' },
      until: 40_000,
      want: ['10000: ping a', '20000: 1 missed', '30000: 2 missed', '40000: ping a, 0 missed'],
    },
    {
      name: 'gives a target up before the next beat if the timeout is shorter',
      every: 60_000,
      timeout: 2_000,
      until: 62_000,
      want: ['60000: ping a', '62000: a dead for 2000, 0 missed'],
    },
    {
      name: 'sends a ping that failed again at the next beat, and tells of the last error',
      every: 10_000,
      timeout: 25_000,
      happens: { 10005: 'a fails', 20005: 'a fails', 30005: 'a fails' },
      until: 35_000,
      want: [
        '10000: ping a',
        '20000: ping a, 1 missed',
        '30000: ping a, 2 missed',
        '35000: a dead for 25000, 2 missed, failed at 30005',
      ],
    },
    {
      name: 'sends a ping that failed again after half of the timeout, if that is before the next beat',
      every: 25_000,
      timeout: 10_000,
      happens: { 25010: 'a fails', 30500: 'a answers' },
      until: 50_000,
      want: ['25000: ping a', '30000: ping a, 1 missed', '50000: ping a, 0 missed'],
    },
    {
      name: 'sends a ping that failed late again at once',
      every: 25_000,
      timeout: 10_000,
      happens: { 33000: 'a fails' },
      until: 35_000,
      want: [
        '25000: ping a',
        '33001: ping a, 1 missed',
        '35000: a dead for 10000, 1 missed, failed at 33000',
      ],
    },
    {
      name: 'gives up a target whose second ping has failed too, without a third',
      every: 25_000,
      timeout: 10_000,
      happens: { 25010: 'a fails', 32000: 'a fails' },
      until: 35_000,
      want: [
        '25000: ping a',
        '30000: ping a, 1 missed',
        '35000: a dead for 10000, 1 missed, failed at 32000',
      ],
    },
    {
      name: 'sends a ping that failed again even if the process was busy until the target would be given up',
      every: 25_000,
      timeout: 10_000,
      happens: { 25010: 'a fails', 37010: 'a answers' },
      busy: [25_020, 37_000],
      until: 50_000,
      want: ['25000: ping a', '37000: ping a, 1 missed', '50000: ping a, 0 missed'],
    },
    {
      name: 'gives that second ping half of the timeout',
      every: 25_000,
      timeout: 10_000,
      happens: { 25010: 'a fails' },
      busy: [25_020, 37_000],
      until: 42_000,
      want: [
        '25000: ping a',
        '37000: ping a, 1 missed',
        '42000: a dead for 17000, 1 missed, failed at 25010',
      ],
    },
    {
      name: 'gives it `every` if that is shorter',
      every: 1_000,
      timeout: 10_000,
      happens: { 1010: 'a fails' },
      busy: [1_020, 13_000],
      until: 14_000,
      want: [
        '1000: ping a',
        '13000: ping a, 1 missed',
        '14000: 2 missed, a dead for 13000, 2 missed, failed at 1010',
      ],
    },
    {
      name: 'sends no ping to a target that it gives up at the same time',
      every: 10_000,
      timeout: 20_000,
      happens: { 10005: 'a fails', 20005: 'a fails' },
      until: 30_000,
      want: [
        '10000: ping a',
        '20000: ping a, 1 missed',
        '30000: 2 missed, a dead for 20000, 2 missed, failed at 20005',
      ],
    },
    {
      name: 'does not make up for beats that were missed while the process was busy',
      every: 1_000,
      timeout: 5_000,
      happens: { 10501: 'a answers', 11001: 'a answers' },
      busy: [500, 10_500],
      until: 12_000,
      want: ['10500: ping a', '11000: ping a', '12000: ping a'],
    },
    {
      name: 'keeps to its beat when it is asked late',
      every: 10_000,
      timeout: 25_000,
      happens: { 10700: 'a answers' },
      busy: [10_000, 10_600],
      until: 20_000,
      want: ['10600: ping a', '20000: ping a'],
    },
    {
      name: 'tells each target from the others',
      every: 10_000,
      timeout: 25_000,
      targets: 'a b c',
      happens: { 10010: 'a answers', 10020: 'c fails', 20010: 'a answers', 20020: 'c answers' },
      until: 35_000,
      want: [
        '10000: ping a, ping b, ping c',
        '20000: ping a, ping c, 2 missed',
        '30000: ping a, ping c',
        '35000: b dead for 25000, 2 missed',
      ],
    },
    {
      name: 'waits for a target that is no longer there, and sends its failed ping again',
      every: 10_000,
      timeout: 3_000,
      happens: { 10010: 'a fails', 10020: 'a leaves' },
      until: 30_000,
      want: ['10000: ping a', '11500: ping a, 1 missed', '13000: a dead for 3000, 1 missed, failed at 10010'],
    },
    {
      name: 'asks nobody if nobody is there',
      every: 10_000,
      timeout: 25_000,
      happens: { 1: 'a leaves' },
      until: 30_000,
      want: [],
    },
    {
      name: 'takes what comes for an answer, though the ping stays out, and counts from the last byte',
      every: 10_000,
      timeout: 25_000,
      hears: true,
      happens: { 15000: 'a speaks', 30100: 'a speaks' },
      until: 57_500,
      want: [
        '10000: ping a',
        // It looks ten times in a timeout, and hears the first at 17 500 and the second at 32 500.
        '30000: 1 missed',
        '32500: 0 missed',
        '50000: 1 missed',
        '57500: a dead for 25000, 1 missed',
      ],
    },
    {
      name: 'lets a target live whose bytes come for longer than the timeout, and asks when it has answered',
      every: 1_000,
      timeout: 2_000,
      hears: true,
      happens: { 1500: 'a speaks', 2500: 'a speaks', 3500: 'a speaks', 4500: 'a speaks', 5500: 'a answers' },
      until: 6_000,
      want: ['1000: ping a', '6000: ping a'],
    },
    {
      name: 'takes what came before the ping for no answer',
      every: 10_000,
      timeout: 5_000,
      hears: true,
      happens: { 9990: 'a speaks' },
      until: 15_000,
      want: ['10000: ping a', '15000: a dead for 5000, 0 missed'],
    },
    {
      name: 'takes what comes after a ping that failed for its answer, and asks at the next beat',
      every: 10_000,
      timeout: 8_000,
      hears: true,
      happens: { 10010: 'a fails', 10020: 'a speaks', 20010: 'a fails' },
      until: 28_000,
      want: [
        '10000: ping a',
        '20000: ping a',
        '24000: ping a, 1 missed',
        '28000: a dead for 8000, 1 missed, failed at 20010',
      ],
    },
    {
      name: 'does not give up a target that is paused, and waits for it when it is resumed',
      every: 10_000,
      timeout: 5_000,
      hears: true,
      happens: { 9000: 'a is paused', 50000: 'a is resumed' },
      until: 55_000,
      want: ['10000: ping a', '55000: a dead for 5000, 0 missed'],
    },
    {
      name: 'hears the bytes of each target',
      every: 10_000,
      timeout: 5_000,
      targets: 'a b',
      hears: true,
      happens: { 12100: 'b speaks' },
      until: 17_500,
      want: ['10000: ping a, ping b', '15000: a dead for 5000, 0 missed', '17500: b dead for 5000, 0 missed'],
    },
  ])('$name', (row) => {
    expect(decisions(row)).toEqual(row.want);
  });

  /** A vigil whose one target was pinged at 10 000 ms. */
  function pinged() {
    const vigil = new Vigil<Target>({ every: 10_000, timeout: 25_000 }, 0);
    const target = { name: 'a' };
    return { vigil, target, ping: vigil.sent(target, 10_000) };
  }

  it('measures the round trip', () => {
    const { vigil, ping } = pinged();
    expect(vigil.roundTrip).toBeUndefined();
    vigil.answered(ping, 10_040);
    expect(vigil.roundTrip).toBe(40);
  });

  it('measures it from the try that was answered', () => {
    const { vigil, target, ping } = pinged();
    vigil.failed(ping, new Error('once'));
    vigil.answered(vigil.sent(target, 20_000), 20_030);
    expect(vigil.roundTrip).toBe(30);
  });

  test.each<[string, (vigil: Vigil<Target>) => unknown]>([
    ['was given up', (vigil) => [...vigil.takeSilent(35_000)]],
    ['is forgotten', (vigil) => vigil.takeAwaited()],
  ])('takes nothing for an answer or a failure of a target that %s', (_what, end) => {
    const { vigil, target, ping } = pinged();
    end(vigil);
    const next = vigil.sent(target, 40_000);
    vigil.answered(ping, 40_010);
    vigil.failed(ping, new Error('late'));
    expect(vigil.roundTrip).toBeUndefined();
    expect(vigil.takeAwaited()).toEqual([target]);
    expect(next.error).toBeUndefined();
  });

  it('forgets a silent target before it tells of it, and keeps those it has not told of yet', () => {
    const vigil = new Vigil<Target>({ every: 1_000, timeout: 1_000 }, 0);
    const targets = [{ name: 'a' }, { name: 'b' }];
    for (const target of targets) vigil.sent(target, 1_000);
    for (const [target] of vigil.takeSilent(2_000)) {
      expect(target).toBe(targets[0]);
      break;
    }
    expect([...vigil.takeSilent(2_000)].map(([target]) => target)).toEqual([targets[1]]);
    expect(vigil.takeAwaited()).toEqual([]);
  });

  it('hears what is read after it was woken and before it gives anybody up', () => {
    const vigil = new Vigil<Target>({ every: 10_000, timeout: 5_000 }, 0);
    const target = { name: 'a', bytesRead: 0 };
    vigil.sent(target, 10_000);
    vigil.due(15_000, () => []);
    target.bytesRead += 1;
    expect([...vigil.takeSilent(15_000)]).toEqual([]);
    expect([...vigil.takeSilent(20_000)]).toHaveLength(1);
  });

  it('looks ten times in a timeout whether bytes come, but only while an answer is awaited', () => {
    const vigil = new Vigil<Target>({ every: 10_000, timeout: 5_000 }, 0);
    expect(vigil.nextWake).toBe(10_000);
    const target = { name: 'a', bytesRead: 0 };
    vigil.due(10_000, () => [target]);
    const ping = vigil.sent(target, 10_000);
    expect(vigil.nextWake).toBe(10_500);
    vigil.answered(ping, 10_030);
    expect(vigil.nextWake).toBe(20_000);
  });
});
