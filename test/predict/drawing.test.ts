import { describe, expect, test } from 'vitest';
import type { KeepAliveInput } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { drawReport, type Surroundings } from '../../src/predict/drawing.ts';
import { reportOf } from '../../src/predict/report.ts';

function drawn(input: KeepAliveInput, surroundings: Surroundings = {}): string {
  return drawReport(reportOf('options', parseKeepAliveOptions(input), {}), {
    theme: 'light',
    ...surroundings,
  });
}

/** The values of an attribute, of each element of a class. */
function positions(svg: string, kind: string, attribute: string): number[] {
  const elements = [...svg.matchAll(new RegExp(`<\\w+ class="${kind}"[^>]*>`, 'g'))].map(
    ([element]) => element,
  );
  return elements.map((element) => Number(new RegExp(` ${attribute}="([^"]*)"`).exec(element)?.[1]));
}

/** Where the vertical lines of a class are. */
function lines(svg: string, kind: string): number[] {
  return [...svg.matchAll(new RegExp(`class="${kind}" d="M([\\d.]+)`, 'g'))].map(([, x]) => Number(x));
}

// One signed as in the legend is the last of each class.

describe('a time line', () => {
  test('has a probe for each one that goes out, at even distances', () => {
    const [first = 0, second = 0, third = 0, sign, ...more] = positions(drawn('database'), 'tk-probe', 'cx');
    expect({ sign, more }).toEqual({ sign: 7, more: [] });
    expect(second - first).toBeCloseTo(third - second, 0);
    // The first probe goes out after 10 s, the second after 15.
    expect((first - 134) / (second - 134)).toBeCloseTo(10 / 15, 1);
  });

  test('has a window for the drop of each state, which begins at its earliest time', () => {
    const svg = drawn('database');
    const starts = positions(svg, 'tk-late', 'x');
    expect(starts).toHaveLength(5);
    const probes = positions(svg, 'tk-probe', 'cx');
    // An idle connection is dropped as long after the last probe as that is after the one before.
    expect(starts[0]).toBeCloseTo(2 * (probes[2] ?? 0) - (probes[1] ?? 0), 0);
    expect(svg).toContain('dropped after 25s to 27.1s · survives an outage of 20s');
  });

  test('marks what a living peer survives: the last probe goes out then', () => {
    const svg = drawn('database');
    const [idle = 0, inFlight = 0] = lines(svg, 'tk-post');
    expect(idle).toBe(positions(svg, 'tk-probe', 'cx')[2]);
    expect(inFlight).toBeGreaterThan(idle);
  });

  test('has an arrow and no drop for what takes longer, and says when it comes or that it never does', () => {
    const svg = drawn({ initialDelay: 60_000, interval: 10_000, count: 3 });
    expect(svg.match(/class="tk-beyond"/g)).toHaveLength(3);
    expect(svg).toContain('dropped after 15m29s (15m25s to 16m57s)');
    expect(svg).toContain('kept for ever');
    expect(drawn({ userTimeout: 5_000 })).toContain('never noticed');
  });

  test('marks the limit of the path, and the deadline', () => {
    const svg = drawn('database', { path: 40_000, deadline: 30_000 });
    const [path = 0] = lines(svg, 'tk-path');
    const [deadline = 0] = lines(svg, 'tk-deadline');
    expect((path - 134) / (deadline - 134)).toBeCloseTo(4 / 3, 1);
    expect(svg).toContain('the path forgets after 40s');
    expect(svg).toContain('must be noticed within 30s');
    expect(drawn('database')).not.toMatch(/class="tk-(path|deadline)"/);
  });

  test('names a mark that is beyond its end', () => {
    const svg = drawn('database', { path: 'aws-nlb' });
    expect(svg).toContain('the path forgets after 5m50s · AWS Network Load Balancer ▸');
    expect(lines(svg, 'tk-path')).toEqual([]);
  });

  test.each([320, 400, 760, 1_200])('of %d pixels has all its parts within', (width) => {
    const svg = drawn('loadBalancer', { width, path: 'azure-lb', deadline: 60_000 });
    const [, height = ''] = /viewBox="0 0 \d+ (\d+)"/.exec(svg) ?? [];
    for (const [, name = '', value] of svg.matchAll(/ (x|y|cx|cy)="([-\d.]+)"/g)) {
      expect(Number(value)).toBeGreaterThanOrEqual(name === 'y' ? -12 : -4);
      expect(Number(value)).toBeLessThanOrEqual(name.endsWith('x') ? width : Number(height));
    }
    for (const [, x = '', anchor = '', text = ''] of svg.matchAll(
      /<text[^>]* x="([\d.]+)" y="[-\d.]+"(?: text-anchor="(\w+)")?>([^<]*)/g,
    )) {
      if (anchor === 'end') expect(Number(x) - text.length * 6, text).toBeGreaterThanOrEqual(0);
      else if (anchor === '') expect(Number(x) + text.length * 6, text).toBeLessThanOrEqual(width);
    }
  });

  test('is XML that says what it shows in words', () => {
    const svg = drawn('database', { path: { limit: 60_000, probesCount: false } });
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]* role="img"/);
    expect(svg).toContain('<title>What Linux does when the peer vanishes: options</title>');
    expect(svg).toMatch(
      /<desc>idle: 3 probes unanswered, dropped after 25s to 27\.1s [^<]*connecting: [^<]*<\/desc>/,
    );
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('has the colours that are asked for, by default those of its reader', () => {
    const background = (svg: string) =>
      [...svg.matchAll(/tk-card\{fill:(#\w+)/g)].map(([, colour]) => colour);
    const [light] = background(drawn('database', { theme: 'light' }));
    const [dark] = background(drawn('database', { theme: 'dark' }));
    expect(light).not.toBe(dark);
    const both = drawReport(reportOf('options', parseKeepAliveOptions('database'), {}));
    expect(background(both)).toEqual([light, dark]);
    expect(both).toContain('@media(prefers-color-scheme:dark)');
  });

  test.each<KeepAliveInput>([
    { enable: false },
    { enable: true },
    'bulk',
    { initialDelay: 1_000, interval: 1_000, count: 127, userTimeout: 'auto' },
    { initialDelay: 32_767_000, interval: 32_767_000, count: 127 },
    { initialDelay: 1_000, interval: 1_000, count: 1, userTimeout: 2_147_483_647 },
  ])('of %j has no number that is none', (input) => {
    expect(drawn(input, { width: 360 })).not.toMatch(/NaN|undefined|Infinity|="-\d{3}/);
  });
});

describe.each(['light', 'dark'] as const)('in the %s theme', (theme) => {
  const svg = drawn('database', { theme, path: 20_000, deadline: 25_000 });
  const colour = (kind: string, property: 'fill' | 'stroke') =>
    new RegExp(`\\.${kind}[^{}]*\\{[^}]*\\b${property}:(#\\w+)`).exec(
      svg.slice(svg.indexOf('.tk-card{')),
    )?.[1];
  const card = colour('tk-card', 'fill') ?? '';

  // https://www.w3.org/TR/WCAG22/#contrast-minimum and #non-text-contrast
  test.each(['tk-label', 'tk-muted', 'tk-path-text', 'tk-deadline-text'])('%s can be read', (kind) => {
    expect(contrast(colour(kind, 'fill') ?? card, card)).toBeGreaterThanOrEqual(4.5);
  });
  test.each([
    { kind: 'tk-trying', property: 'stroke' },
    { kind: 'tk-probe', property: 'fill' },
    { kind: 'tk-drop', property: 'stroke' },
    { kind: 'tk-late', property: 'stroke' },
    { kind: 'tk-post', property: 'stroke' },
  ] as const)('$kind can be seen', ({ kind, property }) => {
    expect(contrast(colour(kind, property) ?? card, card)).toBeGreaterThanOrEqual(3);
  });
});

function contrast(...colours: [string, string]): number {
  const [darker = 0, lighter = 0] = colours.map(luminance).sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

/** @see https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(colour: string): number {
  const digits = colour.length === 4 ? colour.replace(/\w/g, '$&$&') : colour;
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(digits.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
