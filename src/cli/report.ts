import type { Finding } from '../predict/review.ts';
import type { Io } from './command.ts';
import { labelled, paint } from './text.ts';

/** The column at which texts beside a label begin. */
export const INDENT = 16;

const severityStyles = { error: 'red', warning: 'yellow', note: 'dim' } as const;

export function drawFindings(io: Io, findings: readonly Finding[], columns: number): string[] {
  return findings.map(({ severity, code, message }) => {
    const label = paint(io, severityStyles[severity], severity) + ' '.repeat(INDENT - severity.length);
    return labelled(label, `${code}: ${message}`, INDENT, columns);
  });
}
