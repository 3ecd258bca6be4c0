import { printable } from '../../../options/show.ts';

/** The media type of the text format of Prometheus. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A value with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples under one name. */
export interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly Sample[];
}

/**
 * Writes metrics in the text format.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function textFormat(metrics: readonly Metric[]): string {
  return metrics
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(({ labels, value }) => `${name}${labelsText(labels)} ${numberText(value)}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
    })
    .join('');
}

function labelsText(labels: Sample['labels']): string {
  const texts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return texts.length === 0 ? '' : `{${texts.join(',')}}`;
}

/** No line break is left in it, and a backslash before a quote or another. */
function escaped(value: string): string {
  return printable(value).replace(/[\\"]/g, (character) => `\\${character}`);
}

function numberText(value: number): string {
  return value === Infinity ? '+Inf' : String(value);
}
