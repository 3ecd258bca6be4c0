import { grouped } from '../../src/options/show.ts';
import { formatTime } from '../../src/options/words.ts';
import { configurations } from '../../src/predict/configurations.ts';
import { drawReport } from '../../src/predict/drawing.ts';
import { type DetectionWindow, probePeriod, unansweredProbes } from '../../src/predict/predict.ts';
import { type Finding, livingEndsPerHour, rounded } from '../../src/predict/review.ts';
import { windowText } from '../../src/predict/timeline.ts';
import { element, prose } from './element.ts';
import type { Answer } from './state.ts';

/** Draws the time line as wide as its place is. */
export function showPicture(place: HTMLElement, { report, path, deadline }: Answer): void {
  const width = Math.max(280, Math.floor(place.clientWidth));
  place.innerHTML = drawReport(report, { path, deadline, width });
}

/** A number that matters, in large letters. */
interface Figure {
  readonly label: string;
  readonly value: string;
  readonly note: string;
}

export function showFigures(place: HTMLElement, answer: Answer): void {
  place.replaceChildren(
    ...figuresOf(answer).map(({ label, value, note }) =>
      element(
        'div',
        { class: 'figure' },
        element('dt', {}, label),
        element('dd', {}, element('strong', {}, value), element('span', {}, note)),
      ),
    ),
  );
}

function figuresOf({ report, loss }: Answer): Figure[] {
  const { detection, packets, options } = report;
  const { idle, unacknowledged, survives } = detection;
  const ends = livingEndsPerHour({
    loss,
    probes: unansweredProbes(options).least,
    probePeriod: probePeriod(options),
  });
  const all = `${grouped(packets.connections)} connection${packets.connections === 1 ? '' : 's'}`;
  return [
    { label: 'Idle peer noticed', value: rangeText(idle), note: 'after the last packet' },
    { label: 'With data in flight', value: rangeText(unacknowledged), note: 'after the write' },
    {
      label: 'Outage survived',
      value: survives.idle === Infinity ? 'any' : formatTime(survives.idle),
      note: `idle, or ${formatTime(survives.unacknowledged)} with data`,
    },
    {
      label: 'Packets an hour',
      value: grouped(packets.perHour),
      note: `${grouped(packets.perHourOfAll)} for ${all}`,
    },
    {
      label: 'False kills an hour',
      value: rounded(ends * packets.connections),
      note: `for ${all}, by loss alone`,
    },
  ];
}

function rangeText({ earliest, nominal, latest }: DetectionWindow): string {
  return nominal === Infinity ? 'never' : `${formatTime(earliest)} – ${formatTime(latest)}`;
}

/** Where the page of a finding is, from this page. */
const FINDINGS = 'docs/findings.html';

export function showFindings(place: HTMLElement, findings: readonly Finding[]): void {
  place.replaceChildren(
    ...findings.map(({ code, severity, message }) =>
      element(
        'li',
        { class: severity },
        element('span', { class: 'severity' }, severity),
        element('a', { href: `${FINDINGS}#${code}` }, code),
        element('p', {}, ...prose(message)),
      ),
    ),
  );
}

const formatNames: Readonly<Record<string, string>> = {
  ts: 'TypeScript',
  env: 'TCP_KEEPALIVE',
  pgbouncer: 'PgBouncer',
  haproxy: 'HAProxy',
  docker: 'Docker',
  kubernetes: 'Kubernetes',
};

/** A choice between all formats. */
export function formatChoices(choose: (name: string) => void): HTMLElement[] {
  return Object.keys(configurations).map((name) => {
    const input = element('input', { type: 'radio', name: 'format', value: name });
    input.addEventListener('change', () => choose(name));
    return element('label', { class: 'chip' }, input, formatNames[name] ?? name);
  });
}

export function textFor({ input, deadline }: Answer, format: string): string {
  return configurations[format]?.(input, deadline) ?? '';
}

/** The answer in a few words, for those who do not see the page change. */
export function inWords({ report, deadline }: Answer): string {
  const { idle, unacknowledged } = report.detection;
  return [
    `Idle: ${windowText(idle)}.`,
    `Data in flight: ${windowText(unacknowledged)}.`,
    ...(deadline === undefined ? [] : [verdictOf(report.detection, deadline)]),
    ...report.findings
      .filter(({ severity }) => severity !== 'note')
      .map(({ code, severity }) => `${severity}: ${code}.`),
  ].join(' ');
}

/** Whether a deadline is met. */
export function verdictOf({ idle, unacknowledged }: Answer['report']['detection'], deadline: number): string {
  const latest = Math.max(idle.latest, unacknowledged.latest);
  return latest <= deadline
    ? `Known within ${formatTime(deadline)}: yes.`
    : `Known within ${formatTime(deadline)}: no, it may take ${latest === Infinity ? 'for ever' : formatTime(latest)}.`;
}
