import { type OptionName, optionNames, optionRanges } from '../../src/options/options.ts';
import { exactTime, formatTime, parsePercent, parseTime, parseWhole } from '../../src/options/words.ts';
import { parseSystem, RTO_MIN } from '../../src/predict/system.ts';
import { amounts, type Scale, scaleOf, times } from './scale.ts';
import type { FieldName, Surrounding } from './state.ts';

/** How a field is shown that has a number, as text and on a slider. */
export interface NumberField {
  readonly name: FieldName;
  readonly label: string;
  readonly hint: string;
  /** What an empty field stands for, and how the field says so. */
  readonly empty: { readonly value: number; readonly text: string };
  readonly scale: Scale;
  /** Whether `auto` is a value. */
  readonly hasAuto: boolean;
  /** @throws `ERR_KEEPALIVE_INVALID_OPTION` */
  parse(text: string): number;
  write(value: number): string;
  /** The value in words. */
  say(value: number): string;
}

const system = parseSystem();

interface Words {
  readonly label: string;
  readonly hint: string;
  /** The system's own value. */
  readonly value?: number;
}

/** Words for the options; one that has none is shown by its name. */
const optionWords: { readonly [name in string]?: Words } = {
  enable: {
    label: 'Send keepalive probes',
    hint: 'Without probes nothing notices that an idle peer is gone.',
  },
  initialDelay: {
    label: 'Silence before the first probe',
    hint: 'TCP_KEEPIDLE',
    value: system.keepaliveTime,
  },
  interval: {
    label: 'Time between probes',
    hint: 'TCP_KEEPINTVL',
    value: system.keepaliveIntvl,
  },
  count: {
    label: 'Unanswered probes',
    hint: 'TCP_KEEPCNT. A user timeout replaces it on Linux.',
    value: system.keepaliveProbes,
  },
  userTimeout: {
    label: 'User timeout',
    hint: 'TCP_USER_TIMEOUT: how long sent data may stay unacknowledged. 0 is none.',
    value: 0,
  },
  maxRetransmitInterval: {
    label: 'Longest pause between retransmissions',
    hint: 'TCP_RTO_MAX_MS, Linux 6.15 and later',
    value: system.rtoMax,
  },
  failOnUnreachable: {
    label: 'Fail if a router reports the peer unreachable',
    hint: 'IP_RECVERR: data in flight ends at once, not after the user timeout.',
  },
};

const time = {
  parse: (text: string) => parseTime('time', text),
  write: exactTime,
  say: formatTime,
  hasAuto: false,
};
const whole = {
  parse: (text: string) => parseWhole('number', text),
  write: String,
  say: String,
  hasAuto: false,
};

/** More than 20 can be typed. */
const fewProbes = scaleOf([1, 20, 1]);

/** An option that is on or off. */
export interface SwitchField {
  readonly name: OptionName;
  readonly label: string;
  readonly hint: string;
  /** The text of the field if it is off. */
  readonly off: string;
}

/** The options, in the order of the library's table. */
export const options: readonly (NumberField | SwitchField)[] = optionNames.map((name) =>
  isNumber(name) ? numberField(name) : switchField(name),
);

function isNumber(name: OptionName): name is keyof typeof optionRanges {
  return Object.hasOwn(optionRanges, name);
}

function numberField(name: keyof typeof optionRanges): NumberField {
  const { min, max, unit } = optionRanges[name];
  const { label = name, hint = '', value = min } = optionWords[name] ?? {};
  const isTime = unit === 'milliseconds';
  const kind = isTime ? time : whole;
  const scale = (isTime ? times : fewProbes).filter((each) => each >= min && each <= max);
  return {
    name,
    label,
    hint,
    empty: { value, text: value === 0 ? 'none' : kind.say(value) },
    ...kind,
    scale: name === 'userTimeout' ? [0, ...scale] : scale,
    hasAuto: name === 'userTimeout' || name === 'maxRetransmitInterval',
  };
}

function switchField(name: OptionName): SwitchField {
  const { label = name, hint = '' } = optionWords[name] ?? {};
  // Timers would turn `enable` on, unless it says that it is off.
  return { name, label, hint, off: name === 'enable' ? 'false' : '' };
}

/** The time within which a vanished peer must be noticed. */
export const deadline: NumberField = {
  ...time,
  name: 'within',
  label: 'I must know within',
  hint: 'Finds the gentlest timers that notice a vanished peer in this time.',
  empty: { value: Infinity, text: 'any time' },
  scale: scaleOf([4_000, 30_000, 1_000], [30_000, 120_000, 5_000], [120_000, 600_000, 30_000]),
};

/** The facts about the surroundings of a connection, beside its path. */
export const surroundingFields: readonly (NumberField & { readonly name: Surrounding })[] = [
  {
    ...time,
    name: 'rto',
    label: 'Retransmission timeout',
    hint: "The connection's rto, as getTcpInfo() reads it",
    empty: { value: RTO_MIN, text: formatTime(RTO_MIN) },
    scale: scaleOf([200, 1_000, 50], [1_000, 3_000, 250], [3_000, 10_000, 1_000]),
  },
  {
    ...whole,
    name: 'connections',
    label: 'Connections',
    hint: 'How many have these options',
    empty: { value: 1, text: '1' },
    scale: amounts,
  },
  {
    ...time,
    parse: (text) => parsePercent('loss', text),
    write: percent,
    say: percent,
    name: 'loss',
    label: 'Packets lost',
    hint: 'The share that the path loses, each way',
    empty: { value: 0, text: 'none' },
    scale: scaleOf([0, 0.01, 0.001], [0.01, 0.1, 0.005], [0.1, 0.3, 0.05]),
  },
];

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))}%`;
}
