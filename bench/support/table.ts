import type { Row } from './bench.ts';

const WIDTH = 80;
const TARGET = 12;
const MET = 4;

/** A table of at most 80 columns. */
export function asText(title: string, rows: readonly Row[]): string {
  return [title, '-'.repeat(WIDTH), ...rows.map(textRow)].join('\n');
}

function textRow({ what, measured, target = '', met }: Row): string {
  const end = target.padStart(TARGET) + answer(met).padStart(MET);
  const room = WIDTH - end.length - what.length - 1;
  const value = measured.padStart(room);
  return `${what} ${value}${end}`.trimEnd();
}

export function asMarkdown(
  about: readonly [string, string][],
  tables: readonly (readonly [string, readonly Row[]])[],
): string {
  const facts = about.map(([name, value]) => `- ${name}: ${value}`);
  const sections = tables.map(([title, rows]) => [`## ${title}`, '', ...markdownTable(rows), ''].join('\n'));
  return `# Benchmark results\n\nWritten by \`npm run bench\`. The floor is an addon built for nothing but these calls: support/floor.c.\n\n${facts.join('\n')}\n\n${sections.join('\n')}`;
}

function markdownTable(rows: readonly Row[]): string[] {
  return [
    '| what | measured | target | met |',
    '|---|---|---|---|',
    ...rows.map(
      ({ what, measured, target = '', met }) => `| ${what} | ${measured} | ${target} | ${answer(met)} |`,
    ),
  ];
}

function answer(met: boolean | undefined): string {
  return met === undefined ? '' : met ? 'yes' : 'no';
}
