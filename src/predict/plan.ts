import {
  aBoolean,
  type Field,
  type FieldTable,
  otherwise,
  readFields,
  refusal,
  within,
} from '../options/fields.ts';
import { type KeepAliveSettings, optionRanges } from '../options/options.ts';
import { autoRetransmitInterval } from '../options/parse.ts';
import { aPath, type PathInput } from './paths.ts';
import { predictDetection } from './predict.ts';
import { systemFields } from './system.ts';

/** The needs of a connection, in milliseconds. */
export interface KeepAliveGoal {
  /** A peer that vanished must be noticed within this time, whether the connection is idle or not. */
  readonly detectWithin: number;
  /** Silence after which the path forgets a connection, or the name of a known path. */
  readonly pathIdleLimit?: PathInput | undefined;
  /** Unanswered probes before a drop, in every timing. @default 3 */
  readonly probes?: number | undefined;
  /** The connection's retransmission timeout, as `getTcpInfo()` reads it. @default a peer nearby */
  readonly rto?: number | undefined;
  /**
   * The moment from which `detectWithin` counts for data in flight: the write, or the moment at which the peer vanished,
   * since a write into the silence of an idle connection starts the clock again. @default 'write'
   */
  readonly from?: 'write' | 'vanish' | undefined;
  /** Whether the deadline holds too if a router reports the peer as unreachable (ICMP). @default false */
  readonly icmp?: boolean | undefined;
}

/** The options of a plan: all but `failOnUnreachable`, which is for those who choose it. */
export type KeepAlivePlan = Required<Omit<KeepAliveSettings, 'failOnUnreachable'>>;

/**
 * Finds the options that notice a vanished peer in time with the fewest probes on a living connection.
 *
 * The result holds for {@link predictDetection} at the timer rates of all kernels that distributions ship, also of those
 * without `maxRetransmitInterval`: `idle.latest`, from the last packet received, and `unacknowledged.latest`, from the
 * write, are within `detectWithin`. It holds for a path that is silent; with `icmp` also for `unacknowledged.onIcmp`; and
 * with `from: 'vanish'` for the sum of `idle.latest` and the other. It does not hold for a sender that goes on writing
 * small pieces with Nagle's algorithm off, which restarts the kernel's clock with each. At least `probes` probes go
 * unanswered before a drop, and the first goes out before the path forgets the connection. Probes are
 * at least an eighth of `detectWithin` apart, so that one short disturbance does not lose them all. If the
 * deadline leaves no room for that, they share half of it, and the result may send more probes than others.
 *
 * @example
 * planKeepAlive({ detectWithin: 30_000, pathIdleLimit: 'aws-nlb' });
 * // { enable: true, initialDelay: 15000, interval: 4000, count: 3, userTimeout: 26500, maxRetransmitInterval: 3312 }
 *
 * @param goal - the deadline, and optionally the path, the number of probes and the round trip
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`; if the deadline cannot be met, the message names the shortest
 *   one that can
 */
export function planKeepAlive(goal: KeepAliveGoal): KeepAlivePlan {
  const checked = readFields('a goal such as { detectWithin: 30000 }', goal, goalFields);
  const interval = gentlestInterval(checked);
  const initialDelay = longest(32_767, (delay) => optionsFor(delay, interval, checked) !== undefined);
  const plan = optionsFor(initialDelay, interval, checked);
  if (plan === undefined) throw unmet(checked);
  return Object.freeze(plan);
}

interface Goal {
  readonly detectWithin: number;
  readonly pathIdleLimit: number;
  readonly probes: number;
  readonly rto: number | undefined;
  readonly from: 'write' | 'vanish';
  readonly icmp: boolean;
}

/** A path that probes keep open, as the time for which it remembers a connection. */
const aProbedPath: Field<number> = (value, name) => {
  const { limit, probesCount, title } = aPath(value, name);
  if (probesCount) return limit;
  throw refusal(`\`${name}\` to be a path that TCP probes keep alive`, value, {
    hint: `: ${title} counts payload only; send an application ping at least every ${limit / 1_000} s, and plan without it`,
    outOfRange: true,
  });
};

const aMoment: Field<'write' | 'vanish'> = (value, name) => {
  if (value === 'write' || value === 'vanish') return value;
  throw refusal(`\`${name}\` to be 'write' or 'vanish'`, value, { outOfRange: typeof value === 'string' });
};

const goalFields: FieldTable<Goal> = {
  detectWithin: within(optionRanges.userTimeout),
  pathIdleLimit: otherwise(aProbedPath, Infinity),
  probes: otherwise(within(optionRanges.count), 3),
  rto: systemFields.rto,
  from: otherwise(aMoment, 'write'),
  icmp: otherwise(aBoolean, false),
};

/**
 * An eighth of the deadline, in whole seconds. If that leaves no room for all probes, they share half of
 * the deadline, and the silence before the first keeps the other half.
 */
function gentlestInterval(goal: Goal): number {
  const { detectWithin, probes } = goal;
  const fits = (interval: number) => optionsFor(1, interval, goal) !== undefined;
  const eighth = Math.min(Math.ceil(detectWithin / 8_000), 32_767);
  return fits(eighth) ? eighth : longest(Math.ceil(detectWithin / (2_000 * probes)), fits);
}

/** The longest time that fits, in seconds, or 1. If a time fits, all shorter ones must fit too. */
function longest(max: number, fits: (seconds: number) => boolean): number {
  let fit = 1;
  let over = max + 1;
  while (over - fit > 1) {
    const middle = Math.floor((fit + over) / 2);
    if (fits(middle)) fit = middle;
    else over = middle;
  }
  return fit;
}

/** The options for these timers, in seconds, if there is a user timeout that meets the goal. */
function optionsFor(delay: number, interval: number, goal: Goal): KeepAlivePlan | undefined {
  const timers = { initialDelay: delay * 1_000, interval: interval * 1_000, count: goal.probes };
  const { probes } = predictDetection(timers);
  const first = probes[0]?.latest ?? Infinity;
  const last = probes.at(-1)?.latest ?? Infinity;
  if (first >= goal.pathIdleLimit) return undefined;
  // Half a second under the last tick, as with `'auto'`, because a longer one lets a living peer read slower.
  // If the deadline does not allow that, just long enough for the last probe to be sent, however late.
  const roomy = timers.initialDelay + timers.interval * goal.probes - 500;
  for (const userTimeout of [roomy, last + 1]) {
    const options = withUserTimeout(timers, userTimeout);
    if (
      userTimeout > last &&
      userTimeout <= optionRanges.userTimeout.max &&
      worstCase(options, goal) <= goal.detectWithin
    )
      return options;
  }
  return undefined;
}

type ProbeTimers = Pick<KeepAlivePlan, 'initialDelay' | 'interval' | 'count'>;

function withUserTimeout(timers: ProbeTimers, userTimeout: number): KeepAlivePlan {
  const maxRetransmitInterval = autoRetransmitInterval(userTimeout);
  return { enable: true, ...timers, userTimeout, maxRetransmitInterval };
}

/** The time within which a vanished peer is noticed, also on a kernel that lacks the retransmission interval. */
function worstCase(options: KeepAlivePlan, { rto, from, icmp }: Pick<Goal, 'rto' | 'from' | 'icmp'>): number {
  const { maxRetransmitInterval: _tunes, ...everywhere } = options;
  const { idle, ...here } = predictDetection(options, { rto });
  const data = [here, predictDetection(everywhere, { rto })].map(({ unacknowledged }) =>
    icmp ? unacknowledged.onIcmp.latest : unacknowledged.latest,
  );
  return from === 'vanish' ? idle.latest + Math.max(...data) : Math.max(idle.latest, ...data);
}

/** The shortest deadline that any options meet, by default with three probes. */
export function shortestDeadline(goal: Omit<Goal, 'detectWithin' | 'pathIdleLimit'> = anyGoal): number {
  const timers = { initialDelay: 1_000, interval: 1_000, count: goal.probes };
  const userTimeout = (predictDetection(timers).probes.at(-1)?.latest ?? 0) + 1;
  return worstCase(withUserTimeout(timers, userTimeout), goal);
}

const anyGoal = { probes: 3, rto: undefined, from: 'write', icmp: false } as const;

/** The error for a goal that even the shortest timers do not meet, with the deadline that they do meet. */
function unmet(goal: Goal): Error {
  const { detectWithin, pathIdleLimit, probes, rto } = goal;
  const timers = { initialDelay: 1_000, interval: 1_000, count: probes };
  const sent = predictDetection(timers).probes;
  const first = sent[0]?.latest ?? 0;
  if (first >= pathIdleLimit) {
    const expected = `\`pathIdleLimit\` to be over ${first} milliseconds, which a first probe may take`;
    return refusal(expected, pathIdleLimit, { outOfRange: true });
  }
  const shortest = shortestDeadline(goal);
  const conditions = `${probes} unanswered probe${probes === 1 ? '' : 's'}${rto === undefined ? '' : ` and an rto of ${rto}`}`;
  return refusal(
    `\`detectWithin\` to be at least ${shortest} milliseconds, the shortest that can be met with ${conditions}`,
    detectWithin,
    { hint: probes === 1 ? '' : '; fewer `probes` need less', outOfRange: true },
  );
}
