import { aNumber, optional, readFields, within } from '../options/fields.ts';
import { type KeepAliveInput, type KeepAliveSettings, optionRanges } from '../options/options.ts';
import { parseKeepAliveOptions } from '../options/parse.ts';
import { aPath, type PathIdleLimit, type PathName } from './paths.ts';
import { type Detection, predictDetection, probePeriod, unansweredProbes } from './predict.ts';

/** Known facts about the surroundings of a connection. Times are in milliseconds. */
export interface ReviewContext {
  /** Silence after which the path forgets a connection, or the name of a known path. */
  readonly pathIdleLimit?: PathName | number | undefined;
  /** How long callers wait for a connection of the pool. */
  readonly acquireTimeout?: number | undefined;
  /** The longest round trip to expect between the two ends. */
  readonly roundTrip?: number | undefined;
  /** How many connections have these options at once. */
  readonly connections?: number | undefined;
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
  | 'slow-readers-cut';

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
    enable: settings.enable ?? false,
    userTimeout: settings.userTimeout ?? 0,
    detection: predictDetection(settings),
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
  readonly connections: number | undefined;
}

type Check = (subject: Subject) => Finding | undefined;

/** A first probe after less than this is noise, because most requests take longer than that to answer. */
const CALM_DELAY = 5_000;

/** More probes a second than this cost a host as much as its real work. */
const CALM_RATE = 1_000;

const idleUnbounded: Check = ({ enable }) =>
  enable
    ? undefined
    : warning(
        'idle-unbounded',
        'keepalive is off: nothing notices that the peer of an idle connection is gone. ' +
          'Give `initialDelay`, `interval` and `count`.',
      );

const dataUnbounded: Check = ({ userTimeout }) =>
  userTimeout > 0
    ? undefined
    : warning(
        'data-unbounded',
        'no bound on data in flight: a request to a dead peer hangs for about 15 minutes, ' +
          'because no probes are sent while data is unacknowledged. ' +
          "Give `userTimeout`, or 'auto'.",
      );

const singleProbe: Check = ({ enable, probes, userTimeout }) =>
  !enable || probes.nominal > 1
    ? undefined
    : error(
        'single-probe',
        `one lost probe drops a living peer${userTimeout > 0 ? `: \`userTimeout\` (${seconds(userTimeout)}) has passed at the next tick` : ''}. ` +
          `RFC 1122 (4.2.3.6) forbids that. Make \`count\` at least 3${userTimeout > 0 ? " and `userTimeout` 'auto'" : ''}.`,
      );

const countIgnored: Check = ({ enable, userTimeout, count, probes }) => {
  if (!enable || userTimeout === 0 || count === undefined) return undefined;
  const message =
    `with a user timeout the kernel ignores \`count\` (${count}): ${seconds(userTimeout)} of it ` +
    `make ${times(probes.nominal)}`;
  if (count < probes.least || count > probes.nominal)
    return warning('count-ignored', `${message} instead. Make \`userTimeout\` 'auto' to have both agree.`);
  const agreement =
    count === probes.nominal ? 'the same' : `and no fewer than ${probes.least} where timers run late`;
  return note('count-ignored', `${message}, ${agreement}.`);
};

const earlyUserTimeout: Check = (subject) => {
  const { count, probes } = subject;
  const expected = Math.min(count ?? probes.nominal, probes.nominal);
  if (probes.least >= expected) return undefined;
  return warning(
    'early-user-timeout',
    `timers run late, so that the user timeout may pass after ${times(probes.least)} ` +
      `instead of ${expected}. Make ${shorterTimer(subject)}, or \`userTimeout\` itself.`,
  );
};

/** Names the timer to change: the longer of the two may be late by more. */
function shorterTimer({ detection, probePeriod }: Subject): string {
  const initialDelay = detection.probes[0]?.nominal ?? 0;
  return initialDelay < probePeriod
    ? '`initialDelay` as long as `interval`'
    : '`interval` longer beside `initialDelay`';
}

const pathForgets: Check = ({ path, enable, detection }) => {
  const first = detection.probes[0]?.latest ?? Infinity;
  if (path === undefined || !path.probesCount || first < path.limit) return undefined;
  return error(
    'path-forgets',
    `${path.title} forgets a connection after ${seconds(path.limit)} of silence, and ` +
      `${enable ? `the first probe may take ${seconds(first)}` : 'no probe is ever sent'}. ` +
      `Make \`initialDelay\` and \`interval\` shorter than ${seconds(path.limit)} by an eighth or more.`,
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

const slowerThanPool: Check = ({ acquireTimeout, userTimeout, detection }) => {
  if (acquireTimeout === undefined) return undefined;
  const latest = detection.unacknowledged.latest;
  const waits = `callers wait ${seconds(acquireTimeout)} for a connection`;
  if (userTimeout === 0 || userTimeout >= acquireTimeout) {
    const bound =
      userTimeout === 0 ? 'there is no user timeout' : `the user timeout is ${seconds(userTimeout)}`;
    return warning(
      'slower-than-pool',
      `${waits} and ${bound}: they fail before a dead connection is given up. Make \`userTimeout\` shorter than that wait.`,
    );
  }
  if (latest < acquireTimeout) return undefined;
  return note(
    'slower-than-pool',
    `${waits}, and data in flight to a dead peer may take ${seconds(latest)} to fail: ` +
      'the user timeout, and up to two retransmission timeouts.',
  );
};

const tooChatty: Check = ({ enable, detection, probePeriod, connections }) => {
  if (!enable) return undefined;
  const delay = detection.probes[0]?.nominal ?? Infinity;
  if (delay < CALM_DELAY) {
    return warning(
      'too-chatty',
      `a probe after each ${seconds(delay)} of silence is noise. Make \`initialDelay\` at least ${seconds(CALM_DELAY)}.`,
    );
  }
  if (connections === undefined) return undefined;
  const rate = (connections * 1_000) / probePeriod;
  if (rate <= CALM_RATE) return undefined;
  return warning(
    'too-chatty',
    `${connections} idle connections send ${Math.round(rate)} probes a second. ` +
      `Make \`initialDelay\` at least ${seconds(Math.ceil(connections / CALM_RATE) * 1_000)}.`,
  );
};

const intervalBelowRoundTrip: Check = ({ enable, interval, roundTrip }) =>
  !enable || interval === undefined || roundTrip === undefined || interval >= roundTrip
    ? undefined
    : warning(
        'interval-below-round-trip',
        `the interval (${seconds(interval)}) is below the round trip (${seconds(roundTrip)}): probes count as ` +
          'unanswered while their answers are under way. Make `interval` several times the round trip.',
      );

const slowReadersCut: Check = ({ userTimeout, detection }) =>
  userTimeout === 0
    ? undefined
    : note(
        'slow-readers-cut',
        `a peer that lives but reads nothing is cut off as well, about ${seconds(detection.zeroWindow.nominal)} after its buffer is full.`,
      );

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
];

function error(code: FindingCode, message: string): Finding {
  return { code, severity: 'error', message };
}

function warning(code: FindingCode, message: string): Finding {
  return { code, severity: 'warning', message };
}

function note(code: FindingCode, message: string): Finding {
  return { code, severity: 'note', message };
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${Number((ms / 1_000).toFixed(1))} s`;
}

function times(probes: number): string {
  return probes === 1 ? 'one unanswered probe' : `${probes} unanswered probes`;
}
