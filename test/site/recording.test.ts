import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { recordingOf, timedOutput } from '../../site/recording.ts';

const source = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('a recording', () => {
  const svg = recordingOf(
    [
      { time: 0, text: 'first\r\n' },
      { time: 1_000, text: '\r\x1b[K1 s' },
      { time: 2_000, text: '\r\x1b[K2 s <\r\x1b[K3 s\n\x1b[1;32mgood\x1b[0m ' },
      { time: 2_900, text: 'end\n' },
    ],
    { title: 'A & B', speed: 1 },
  );

  test('has each line as it is left, in its style', () => {
    const [, screen = ''] = /<g id="screen">(.*)<g id="cover">/.exec(svg) ?? [];
    expect(screen).toBe(
      '<text y="14">first</text><text y="33">3 s</text><text y="52"><tspan class="good">good</tspan> end</text>',
    );
    expect(svg).toContain('<title>A &amp; B</title><desc>first\n3 s\ngood end</desc>');
  });

  test('uncovers the lines when they were written, and goes on from its end', () => {
    expect(stepsOf('cover')).toEqual([
      { at: 0, y: 19 },
      { at: 2_000, y: 38 },
      { at: 2_900, y: 57 },
    ]);
    expect(svg).toContain('animation:10900ms step-end infinite');
  });

  test('shows the line at the bottom while it lasts', () => {
    const [, lives = ''] = /<g id="live">(.*?)<\/g>/.exec(svg) ?? [];
    expect(lives.replaceAll(/<\/?tspan[^>]*>/g, '')).toBe(
      '<text y="14"></text><text y="33">1 s</text><text y="52">good </text>',
    );
    expect(stepsOf('live').map(({ at }) => at)).toEqual([0, 1_000, 2_000, 2_900]);
  });

  test('shows its end to one who wants no motion', () => {
    const [still = ''] = svg.split('@media(prefers-reduced-motion:no-preference)');
    expect(still).toContain('#cover{transform:translateY(57px)}');
    expect(still).not.toContain('animation');
  });

  test('scrolls if it has more lines than its screen', () => {
    const long = recordingOf([{ time: 0, text: 'line\n'.repeat(30) }], { title: 'long', speed: 1 });
    expect(long).toContain(`#screen{transform:translateY(${-7 * 19}px)}`);
  });

  /** The steps of an animation, in milliseconds. */
  function stepsOf(name: string): { at: number; y: number }[] {
    const [, keyframes = ''] = new RegExp(`@keyframes ${name}\\{((?:[^{}]*\\{[^}]*\\})*)\\}`).exec(svg) ?? [];
    return [...keyframes.matchAll(/([\d.]+)%\{transform:translateY\((-?\d+)px\)\}/g)].map(([, at, y]) => ({
      at: Math.round((Number(at) * 10_900) / 10_000) * 100,
      y: Number(y),
    }));
  }
});

test('what `script` has written is read with its times', () => {
  const output = Buffer.from('Script started on a day\none\r\nzwölf\r\n\nScript done');
  expect(timedOutput(output, '0.5 5\n1.25 8\n')).toEqual([
    { time: 500, text: 'one\r\n' },
    { time: 1_750, text: 'zwölf\r\n' },
  ]);
});

describe('docs/images/demo.svg', () => {
  const svg = source('docs/images/demo.svg');

  test('is a recording of the demo as it is: `npx tsx site/record-demo.ts` makes a new one', () => {
    const texts = [...source('examples/demo/main.ts').matchAll(/const \w+ = `\n([^`]*)`/g)].map(
      ([, text = '']) => text,
    );
    expect(texts).toHaveLength(2);
    for (const text of texts) expect(svg).toContain(text);
    expect(svg).toMatch(
      /^ {2}pg with tcp-keepalive +[\d.]+ s \(measured\) [\d.]+ s \(measured\) [\d.]+ s \(measured\)$/m,
    );
  });

  test('is smaller than 500 kB, and brings all that it needs', () => {
    expect(svg.length).toBeLessThan(500_000);
    expect(svg).not.toContain('\x1b');
    expect(svg).not.toMatch(/<script|href=|url\(|@import|undefined|NaN/);
  });

  test('is shown by the README', () => {
    expect(source('README.md')).toContain('src="docs/images/demo.svg"');
  });
});
