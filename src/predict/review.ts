import { aNumber, optional, readFields, within } from '../options/fields.ts';
import { type KeepAliveInput, type KeepAliveSettings, optionRanges } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { aPath, type PathIdleLimit, type PathInput } from './paths.ts';
import { planKeepAlive, shortestDeadline } from './plan.ts';
import { type Detection, predictDetection, probePeriod, unansweredProbes } from './predict.ts';
import { rtoOfRoundTrip } from './system.ts';

/** Known facts about the surroundings of a connection. Times are in milliseconds. */
export interface ReviewContext {
  /** The path between the two ends: the name of a known one, or the silence after which it forgets a connection. */
  readonly pathIdleLimit?: PathInput | undefined;
  /** How long callers wait for a connection of the pool. */
  readonly acquireTimeout?: number | undefined;
  /** The longest round trip to expect between the two ends. */
  readonly roundTrip?: number | undefined;
  /** How many connections have these options at once. */
  readonly connections?: number | undefined;
  /** The fraction of packets that the path loses, each way: 0.05 is 5 %. */
  readonly loss?: number | undefined;
}

/** The codes of findings. Each is a heading of `docs/findings.md`. */
export type FindingCode =
  | 'single-probe'
  | 'count-ignored'
  | 'early-user-timeout'
  | 'idle-unbounded'
  | 'data-unbounded'
  | 'path-forgets'
  | 'payload-only-path'
  | 'slower-than-pool'
  | 'too-chatty'
  | 'interval-below-round-trip'
  | 'slow-readers-cut'
  | 'loss-ends-living'
  | 'route-change-ends-living';

/** A problem or a property of options. */
export interface Finding {
  /** The kind of finding. */
  readonly code: FindingCode;
  /** With an `error` the options fail their purpose, with a `warning` they may; a `note` is good to know. */
  readonly severity: 'error' | 'warning' | 'note';
  /** The problem, and what to do about it. */
  readonly message: string;
}

/**
 * Lists the problems of options, and what to do about them, worst first. The presets raise only notes.
 *
 * @param options - a preset's name, or options in milliseconds
 * @param context - the path, the pool and the network, if they are known
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`
 */
export function reviewKeepAlive(options: KeepAliveInput, context: ReviewContext = {}): Finding[] {
  const settings = parseKeepAliveOptions(options);
  const { pathIdleLimit: path, ...surroundings } = readFields(
    'a context such as { connections: 100 }',
    context,
    contextFields,
  );
  const subject: Subject = {
    path,
    ...surroundings,
    ...settings,
    connections: surroundings.connections ?? 1,
    enable: settings.enable ?? false,
    userTimeout: settings.userTimeout ?? 0,
    detection: predictDetection(settings, {
      rto: surroundings.roundTrip && rtoOfRoundTrip(surroundings.roundTrip),
    }),
    probes: unansweredProbes(settings),
    probePeriod: probePeriod(settings),
  };
  return checks
    .map((check) => check(subject))
    .filter((finding) => finding !== undefined)
    .sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
}

const contextFields = {
  pathIdleLimit: optional(aPath),
  acquireTimeout: optional(within(optionRanges.userTimeout)),
  roundTrip: optional(aNumber('a positive number of milliseconds', (value) => value > 0 && value < Infinity)),
  connections: optional(aNumber('a positive integer', (value) => value > 0 && Number.isInteger(value))),
  loss: optional(aNumber('a fraction from 0 to 1, such as 0.05', (value) => value >= 0 && value <= 1)),
};

const severities: readonly Finding['severity'][] = ['error', 'warning', 'note'];

/** The input of a check. */
interface Subject extends KeepAliveSettings {
  readonly enable: boolean;
  /** 0 means none. */
  readonly userTimeout: number;
  readonly detection: Detection;
  readonly probes: { readonly nominal: number; readonly least: number };
  readonly probePeriod: number;
  readonly path: Omit<PathIdleLimit, 'source'> | undefined;
  readonly acquireTimeout: number | undefined;
  readonly roundTrip: number | undefined;
  readonly connections: number;
  readonly loss: number | undefined;
}

type Check = (subject: Subject) => Finding | undefined;

/** A first probe after less than this is noise, because most requests take longer than that to answer. */
const CALM_DELAY = 5_000;

/** With fewer unanswered probes, chance ends connections. */
const CALM_COUNT = 3;

/** With a longer one, data in flight is given up after five minutes, which is as good as never: no caller waits so long. */
const LONGEST_RETRANSMIT_INTERVAL = 30_000;

/** More probes a second than this cost a host as much as its real work. */
const CALM_RATE = 1_000;

const idleUnbounded: Check = (subject) => {
  if (subject.enable) return undefined;
  const missing = missingTimers(subject);
  const auto = subject.userTimeout > 0 ? ["`userTimeout` 'auto'"] : [];
  const advice =
    missing.length === 0 ? make(subject, '`enable` true') : `Give ${list([...missing, ...auto])}.`;
  return warning(
    'idle-unbounded',
    `keepalive is off: nothing notices that the peer of an idle connection is gone. ${advice}`,
  );
};

const dataUnbounded: Check = (subject) => {
  if (subject.userTimeout > 0) return undefined;
  const { nominal } = subject.detection.unacknowledged;
  return isBoundedByInterval(subject)
    ? note(
        'data-unbounded',
        `\`maxRetransmitInterval\` alone bounds data in flight, at about ${seconds(nominal)}, on Linux 6.15 and later; ` +
          'a peer that answers is waited for, however slow. Below, only a hold bounds it, and elsewhere a request to a ' +
          'dead peer hangs for about 15 minutes.',
      )
    : warning(
        'data-unbounded',
        'no bound on data in flight: a request to a dead peer hangs for about 15 minutes, ' +
          `because no probes are sent while data is unacknowledged. ${
            isComplete(subject)
              ? "Make `userTimeout` 'auto'."
              : `Give ${list([...missingTimers(subject), "`userTimeout` 'auto'"])}.`
          }`,
      );
};

function isBoundedByInterval({ maxRetransmitInterval = Infinity }: Subject): boolean {
  return maxRetransmitInterval <= LONGEST_RETRANSMIT_INTERVAL;
}

const singleProbe: Check = (subject) => {
  const { enable, probes, userTimeout } = subject;
  if (!enable || probes.nominal > 1) return undefined;
  const passed =
    userTimeout > 0 ? `: \`userTimeout\` (${seconds(userTimeout)}) has passed at the next tick` : '';
  return error(
    'single-probe',
    `one lost probe drops a living peer${passed}. RFC 1122 (4.2.3.6) forbids that. ${make(subject, '`count` at least 3', 'count')}`,
  );
};

const countIgnored: Check = (subject) => {
  const { enable, userTimeout, count, probes } = subject;
  if (!enable || userTimeout === 0 || count === undefined) return undefined;
  const message =
    `with a user timeout the kernel ignores \`count\` (${count}): ${seconds(userTimeout)} of it ` +
    `make ${times(probes.nominal)}`;
  if (count < probes.least || count > probes.nominal)
    return warning('count-ignored', `${message} instead. ${agreeingCount(subject, count)}`);
  const agreement =
    count === probes.nominal ? 'the same' : `and no fewer than ${probes.least} where timers run late`;
  return note('count-ignored', `${message}, ${agreement}.`);
};

/** A low `count` makes 'auto' a user timeout that one lost probe exhausts. */
function agreeingCount(subject: Subject, count: number): string {
  const { nominal } = subject.probes;
  if (count >= CALM_COUNT && isComplete(subject)) return "Make `userTimeout` 'auto' to have both agree.";
  return nominal >= CALM_COUNT && nominal <= optionRanges.count.max
    ? `Make \`count\` ${nominal} to have both agree.`
    : make(subject, '`count` at least 3', 'count');
}

const earlyUserTimeout: Check = (subject) => {
  const { count, probes } = subject;
  const expected = Math.min(count ?? probes.nominal, probes.nominal);
  if (probes.least >= expected) return undefined;
  const sure = Math.min(probes.least, optionRanges.count.max);
  const advice =
    sure >= CALM_COUNT ? `Make \`count\` ${sure}, which are sure.` : make(subject, ...evenTimers(subject));
  return warning(
    'early-user-timeout',
    `timers run late, so that the user timeout may pass after ${times(probes.least)} instead of ${expected}. ${advice}`,
  );
};

/** Of unlike timers the longer one may be late by more than the shorter one lasts, and many short ones add up. */
function evenTimers({ detection, probePeriod }: Subject): [change: string, ...changed: TimerName[]] {
  const initialDelay = detection.probes[0]?.nominal ?? 0;
  return initialDelay < probePeriod
    ? ['`initialDelay` as long as `interval`, `count` 3', 'initialDelay', 'count']
    : ['`interval` longer beside `initialDelay`, `count` 3', 'interval', 'count'];
}

const pathForgets: Check = (subject) => {
  const { path, enable, detection } = subject;
  const first = detection.probes[0]?.latest ?? Infinity;
  if (path === undefined || !path.probesCount || first < path.limit) return undefined;
  return error(
    'path-forgets',
    `${path.title} forgets a connection after ${seconds(path.limit)} of silence, and ` +
      `${enable ? `the first probe may take ${seconds(first)}` : 'no probe is ever sent'}. ` +
      make(
        subject,
        `\`initialDelay\` and \`interval\` shorter than ${seconds(path.limit)} by an eighth or more`,
        'initialDelay',
        'interval',
      ),
  );
};

const payloadOnlyPath: Check = ({ path }) =>
  path === undefined || path.probesCount
    ? undefined
    : warning(
        'payload-only-path',
        `${path.title} counts bytes of payload only, so that no TCP probe keeps it open: ` +
          `send an application ping within each ${seconds(path.limit)}.`,
      );

const slowerThanPool: Check = (subject) => {
  const { acquireTimeout, userTimeout, detection } = subject;
  if (acquireTimeout === undefined) return undefined;
  const latest = detection.unacknowledged.latest;
  const waits = `callers wait ${seconds(acquireTimeout)} for a connection`;
  const isBounded = userTimeout > 0 || isBoundedByInterval(subject);
  if (!isBounded || userTimeout >= acquireTimeout) {
    const bound =
      userTimeout === 0 ? 'there is no user timeout' : `the user timeout is ${seconds(userTimeout)}`;
    return warning(
      'slower-than-pool',
      `${waits} and ${bound}: they fail before a dead connection is given up. ${withinWait(acquireTimeout)}`,
    );
  }
  if (latest < acquireTimeout) return undefined;
  return note(
    'slower-than-pool',
    `${waits}, and data in flight to a dead peer may take ${seconds(latest)} to fail: ` +
      `${userTimeout > 0 ? 'the user timeout, and up to two retransmission timeouts' : 'there is no user timeout'}.`,
  );
};

/** A shorter user timeout alone would drop a living peer after one lost probe. */
function withinWait(acquireTimeout: number): string {
  const shortest = shortestDeadline();
  if (acquireTimeout < shortest) return `No options are that fast: let callers wait ${shortest} ms or more.`;
  const { initialDelay, interval, count, userTimeout } = planKeepAlive({ detectWithin: acquireTimeout });
  return (
    `Make \`initialDelay\` ${seconds(initialDelay)}, \`interval\` ${seconds(interval)}, \`count\` ${count} ` +
    `and \`userTimeout\` ${userTimeout} ms.`
  );
}

const tooChatty: Check = (subject) => {
  const { enable, detection, probePeriod, connections } = subject;
  if (!enable) return undefined;
  const delay = detection.probes[0]?.nominal ?? Infinity;
  const rate = (connections * 1_000) / probePeriod;
  if (delay >= CALM_DELAY && rate <= CALM_RATE) return undefined;
  const calm = Math.max(CALM_DELAY, Math.ceil(connections / CALM_RATE) * 1_000);
  const problem =
    delay < CALM_DELAY
      ? `a probe after each ${seconds(delay)} of silence is noise`
      : `${connections} idle connections send ${Math.round(rate)} probes a second`;
  const advice = make(subject, `\`initialDelay\` at least ${seconds(calm)}`, 'initialDelay');
  return warning('too-chatty', `${problem}. ${advice}`);
};

const intervalBelowRoundTrip: Check = (subject) => {
  const { enable, interval, roundTrip } = subject;
  if (!enable || interval === undefined || roundTrip === undefined || interval >= roundTrip) return undefined;
  return warning(
    'interval-below-round-trip',
    `the interval (${seconds(interval)}) is below the round trip (${seconds(roundTrip)}): probes count as ` +
      `unanswered while their answers are under way. ${make(subject, '`interval` several times the round trip', 'interval')}`,
  );
};

const slowReadersCut: Check = ({ userTimeout, detection }) =>
  userTimeout === 0
    ? undefined
    : note(
        'slow-readers-cut',
        `a peer that lives but reads nothing is cut off as well, about ${seconds(detection.zeroWindow.nominal)} after its buffer is full: ` +
          'COPY or LOAD DATA into a busy server, a cursor or stream that is read slowly. The preset `bulk` is for these.',
      );

/** More living connections than this, ended in an hour, are a problem and no accident. */
const BEARABLE_ENDS = 1;

const lossEndsLiving: Check = ({ loss, connections, enable, probes, probePeriod }) => {
  if (loss === undefined || !enable) return undefined;
  const ends = livingEndsPerHour({ loss, probes: probes.least, probePeriod }) * connections;
  const message =
    `of ${connections} living connection${connections === 1 ? '' : 's'} that ${connections === 1 ? 'is' : 'are'} idle, ` +
    `a loss of ${Number((100 * loss).toPrecision(3))} % each way ends ${rounded(ends)} an hour: ` +
    `each ends after ${times(probes.least)}.`;
  if (ends <= BEARABLE_ENDS) return note('loss-ends-living', message);
  return warning('loss-ends-living', `${message} Make \`count\` larger, and \`userTimeout\` 'auto'.`);
};

/**
 * How many connections to living peers end in an hour, of one that is idle, by loss alone. A probe is unanswered if it or its
 * answer is lost; with as many in a row, once in a period, the connection ends.
 */
export function livingEndsPerHour(subject: { loss: number; probes: number; probePeriod: number }): number {
  const unanswered = 1 - (1 - subject.loss) ** 2;
  return (unanswered ** subject.probes * 3_600_000) / subject.probePeriod;
}

const routeChangeEndsLiving: Check = ({ failOnUnreachable }) =>
  failOnUnreachable
    ? note(
        'route-change-ends-living',
        'with `failOnUnreachable` a router that reports the peer as unreachable for a moment, while a route changes, ends ' +
          'living connections with data in flight, which RFC 1122 (4.2.3.9) forbids. Keep it where connecting again is ' +
          'cheap and leads elsewhere; leave it out for tunnels, uploads and long transactions.',
      )
    : undefined;

const checks: readonly Check[] = [
  singleProbe,
  pathForgets,
  idleUnbounded,
  dataUnbounded,
  countIgnored,
  earlyUserTimeout,
  payloadOnlyPath,
  slowerThanPool,
  tooChatty,
  intervalBelowRoundTrip,
  slowReadersCut,
  lossEndsLiving,
  routeChangeEndsLiving,
];

const timers = ['initialDelay', 'interval', 'count'] as const;
type TimerName = (typeof timers)[number];

/** The timers that `'auto'` needs and that are not given. */
function missingTimers(subject: Subject, but: readonly TimerName[] = []): string[] {
  return timers
    .filter((name) => subject[name] === undefined && !but.includes(name))
    .map((name) => `\`${name}\``);
}

function isComplete(subject: Subject): boolean {
  return missingTimers(subject).length === 0;
}

/**
 * Advice to change timers. A user timeout that was chosen for others would drop a living peer early, so it is made
 * anew, from enough probes.
 */
function make(subject: Subject, change: string, ...changed: TimerName[]): string {
  if (subject.userTimeout === 0) return `Make ${change}.`;
  const isEnough = changed.includes('count') || (subject.count ?? 0) >= CALM_COUNT;
  const all = [change, ...(isEnough ? [] : ['`count` at least 3']), "`userTimeout` 'auto'"];
  const missing = missingTimers(subject, ['count', ...changed]);
  return missing.length === 0 ? `Make ${list(all)}.` : `Give ${list(missing)}, and make ${list(all)}.`;
}

function list(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

function error(code: FindingCode, message: string): Finding {
  return { code, severity: 'error', message };
}

function warning(code: FindingCode, message: string): Finding {
  return { code, severity: 'warning', message };
}

function note(code: FindingCode, message: string): Finding {
  return { code, severity: 'note', message };
}

/** A rate, for people. */
export function rounded(value: number): string {
  return Number(value.toFixed(3)) === 0 ? 'practically none' : String(Number(value.toPrecision(2)));
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${Number((ms / 1_000).toFixed(1))} s`;
}

function times(probes: number): string {
  return probes === 1 ? 'one unanswered probe' : `${probes} unanswered probes`;
}
