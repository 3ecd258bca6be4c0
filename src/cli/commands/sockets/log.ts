import { endText } from '../../../machine/endpoint.ts';
import { formatTime } from '../../../options/words.ts';
import { endOf, optionsOf } from './columns.ts';
import { type Look, ownerText, ratesText, summary } from './drawing.ts';
import type { Shown } from './query.ts';

/** The summary, in one line of a log. */
export function summaryLine({ connections, rates }: Look): string {
  return [...summary(connections, Infinity), ...ratesText(rates, Infinity)].join('; ');
}

/** A line for each connection that came, went, stopped to answer or answers again, or has other options. */
export function changes(earlier: Look, { connections }: Look): string[] {
  const left = new Map(earlier.connections.map((each) => [each.cookie, each]));
  const lines = connections.flatMap((now) => {
    const before = left.get(now.cookie);
    left.delete(now.cookie);
    return before === undefined ? [opened(now)] : changesOf(before, now);
  });
  return [...lines, ...[...left.values()].map(gone)];
}

/** The line of a connection that is dying at the first look. */
export function dyingAtFirst({ connections }: Look): string[] {
  return connections.filter(isDying).map(dying);
}

function changesOf(before: Shown, now: Shown): string[] {
  const lines: string[] = [];
  const [had, has] = [optionsOf(before), optionsOf(now)];
  if (had !== has) lines.push(`options  ${nameOf(now)} ${had} -> ${has}`);
  if (!isDying(before) && isDying(now)) lines.push(dying(now));
  if (isDying(before) && !isDying(now)) lines.push(`answers  ${nameOf(now)}`);
  return lines;
}

function opened(now: Shown): string {
  return `opened   ${nameOf(now)} ${optionsOf(now)}`;
}

function dying(now: Shown): string {
  return `dying    ${nameOf(now)} unanswered ${now.timer?.unanswered}, lost in about ${formatTime(now.fate.lostIn ?? 0)}`;
}

function gone(before: Shown): string {
  const text = `gone     ${nameOf(before)}`;
  return isDying(before) ? `${text} after ${before.timer?.unanswered} unanswered` : text;
}

function isDying({ fate }: Shown): boolean {
  return fate.lostIn !== undefined;
}

function nameOf(connection: Shown): string {
  return `${ownerText(connection)} ${endText(connection.local)} > ${endOf(connection)}`;
}
