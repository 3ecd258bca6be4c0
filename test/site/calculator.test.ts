import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { calculatorPage } from '../../site/calculator.ts';
import { optionNames, optionRanges } from '../../src/options/options.ts';
import { parseKeepAliveOptions } from '../../src/options/parse.ts';
import { presets } from '../../src/options/presets.ts';
import { parseWords } from '../../src/options/words.ts';
import { configurations } from '../../src/predict/configurations.ts';
import { drawReport } from '../../src/predict/drawing.ts';
import { planKeepAlive } from '../../src/predict/plan.ts';
import { reportOf } from '../../src/predict/report.ts';
import { describeWhereInstalled } from '../helpers/describe-with-server.ts';
import { browserTools, type Calculator, startCalculator } from './open-page.ts';

test('all of it is less than 60 kB, compressed', async () => {
  expect(gzipSync(await calculatorPage('1.2.3')).length).toBeLessThan(60_000);
});

test('it names nothing that a browser would fetch', async () => {
  const page = await calculatorPage('1.2.3');
  expect(page).not.toMatch(/<(script|link|img|iframe)[^>]*(src|href)="(?!data:)/);
  expect(page).toContain("default-src 'none'");
});

describeWhereInstalled('the calculator in a browser', browserTools, () => {
  let calculator: Calculator;

  beforeAll(async () => {
    calculator = await startCalculator();
  });
  afterAll(() => calculator?.close());

  // No test may make the page complain or fetch anything.
  afterEach(async () => {
    expect(await calculator.offences()).toEqual([]);
  });

  const open: Calculator['open'] = (...given) => calculator.open(...given);
  const drawn = (page: Page) => page.locator('#picture').innerHTML();
  const copied = (page: Page) => page.locator('#text').inputValue();
  const figures = (page: Page) => page.locator('#figures').textContent();

  test('it begins with the preset database, drawn and written as the library does', async () => {
    const page = await open();
    const width = await page.locator('#picture svg').evaluate((svg) => svg.getAttribute('width'));
    const report = reportOf('database', parseKeepAliveOptions('database'), {});
    // A browser writes the same elements in other words.
    const same = await page.evaluate(
      (svg) => {
        const place = document.createElement('div');
        place.innerHTML = svg;
        return place.innerHTML;
      },
      drawReport(report, { width: Number(width) }),
    );
    expect(await drawn(page)).toBe(same);
    expect(await copied(page)).toBe(configurations.ts?.('database'));
  });

  test.each(Object.keys(presets).filter((name) => name !== 'database'))(
    'the button of the preset %s',
    async (name) => {
      const page = await open();
      const before = [await drawn(page), await copied(page)];
      await page.getByRole('button', { name, exact: true }).click();
      expect([await drawn(page), await copied(page)]).not.toEqual(before);
      expect(await copied(page)).toBe(configurations.ts?.(name as 'database'));
      expect(await page.getByRole('button', { name, exact: true }).getAttribute('aria-pressed')).toBe('true');
    },
  );

  const numbers = Object.keys(optionRanges);

  test.each(numbers)('the field of %s', async (name) => {
    const page = await open();
    const before = { picture: await drawn(page), text: await copied(page) };
    await page.locator(`#${name}`).fill(name === 'count' ? '7' : '12s');
    // A count shows where there is no user timeout; the text names all options.
    if (name === 'count') await page.locator('#userTimeout').fill('0');
    expect(await drawn(page)).not.toBe(before.picture);
    expect(await copied(page)).toContain(name === 'count' ? 'count: 7' : `${name}: 12_000`);
  });

  test.each(numbers)('the slider of %s, by keyboard', async (name) => {
    const page = await open();
    const before = { picture: await drawn(page), text: await copied(page) };
    const slider = page.locator(`.field:has(#${name}) input[type=range]`);
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    expect(await copied(page)).not.toBe(before.text);
    expect(await drawn(page)).not.toBe(before.picture);
    expect(await slider.getAttribute('aria-valuetext')).toBe(await page.locator(`#${name}`).inputValue());
  });

  test.each(optionNames.filter((name) => !numbers.includes(name)))('the switch of %s', async (name) => {
    const page = await open();
    const before = { picture: await drawn(page), text: await copied(page) };
    await page.locator(`#${name}`).click();
    expect(await copied(page)).not.toBe(before.text);
    expect(await copied(page)).toContain(`${name}: `);
    if (name === 'enable') expect(await drawn(page)).toContain('never noticed');
  });

  test.each(['userTimeout', 'maxRetransmitInterval'])('the button auto of %s', async (name) => {
    const page = await open();
    const auto = page.locator(`.field:has(#${name}) .auto`);
    await auto.click();
    expect(await page.locator(`#${name}`).inputValue()).toBe(name === 'userTimeout' ? '24.5s' : '3.062s');
    await page.locator(`#${name}`).fill('60s');
    const before = { picture: await drawn(page), text: await copied(page) };
    await auto.click();
    expect(await drawn(page)).not.toBe(before.picture);
    expect(await copied(page)).toBe(configurations.ts?.('database'));
  });

  test('automatic options follow those that they are made of', async () => {
    const page = await open();
    await page.locator('#interval').fill('8s');
    expect(await copied(page)).toContain('userTimeout: 33_500');
  });

  test('a deadline makes a plan, which follows the path and the rto until it is changed', async () => {
    const page = await open();
    const before = await drawn(page);
    await page.locator('#within').fill('10m');
    expect(await drawn(page)).not.toBe(before);
    expect(await copied(page)).toBe(configurations.ts?.(planKeepAlive({ detectWithin: 600_000 }), 600_000));
    await page.locator('#path-choice').selectOption('azure-lb');
    const plan = planKeepAlive({ detectWithin: 600_000, pathIdleLimit: 'azure-lb' });
    expect(await copied(page)).toBe(configurations.ts?.(plan, 600_000));
    expect(await drawn(page)).toContain('the path forgets after 4m');
    await page.locator('#rto').fill('9s');
    const slower = planKeepAlive({ detectWithin: 600_000, pathIdleLimit: 'azure-lb', rto: 9_000 });
    expect(await copied(page)).toBe(configurations.ts?.(slower, 600_000));
    expect(await page.locator('#verdict').textContent()).toBe('Known within 10m: yes.');

    await page.locator('#count').fill('9');
    await page.locator('#rto').fill('1s');
    expect(await copied(page)).toContain('count: 9');
    await page.locator('#initialDelay').fill('20m');
    expect(await page.locator('#verdict').textContent()).toContain('Known within 10m: no, it may take ');
  });

  test('the slider of the deadline', async () => {
    const page = await open();
    const before = [await drawn(page), await copied(page)];
    await page.locator('.field:has(#within) input[type=range]').focus();
    await page.keyboard.press('Home');
    expect(await page.locator('#within').inputValue()).toBe('4s');
    await page.keyboard.press('ArrowRight');
    expect(await drawn(page)).not.toBe(before[0]);
    expect(await copied(page)).not.toBe(before[1]);
  });

  test('the limit of any path can be typed', async () => {
    const page = await open();
    expect(await page.locator('#path').isVisible()).toBe(false);
    await page.locator('#path-choice').selectOption('other');
    await page.locator('#path').fill('payload:12s');
    expect(await drawn(page)).toContain('the path forgets after 12s without payload');
    expect(await page.locator('#findings').textContent()).toContain('payload-only-path');
  });

  test.each([
    { name: 'rto', text: '2s', shows: drawn },
    { name: 'connections', text: '40000', shows: figures },
    { name: 'loss', text: '10%', shows: figures },
  ])('$name, as text and on its slider', async ({ name, text, shows }) => {
    const page = await open();
    const before = await shows(page);
    await page.locator(`#${name}`).fill(text);
    const typed = await shows(page);
    expect(typed).not.toBe(before);
    await page.locator(`.field:has(#${name}) input[type=range]`).focus();
    await page.keyboard.press('Home');
    expect(await shows(page)).not.toBe(typed);
  });

  test('connections and loss change the findings', async () => {
    const page = await open();
    await page.locator('#connections').fill('100000');
    const found = await page.locator('#findings').textContent();
    expect(found).toContain('too-chatty');
    expect(found).toMatch(/warning\s*loss-ends-living/);
    const link = page.locator('#findings a', { hasText: 'too-chatty' });
    expect(await link.getAttribute('href')).toBe('docs/findings.html#too-chatty');
  });

  test('every format, by keyboard, and the button that copies it', async () => {
    const page = await open('', { permissions: ['clipboard-read', 'clipboard-write'] });
    const formats = Object.entries(configurations);
    await page.locator('input[name=format]:checked').focus();
    for (const [name, write] of formats) {
      expect(await page.locator('input[name=format]:checked').getAttribute('value')).toBe(name);
      expect(await copied(page)).toBe(write('database'));
      await page.keyboard.press('ArrowRight');
    }
    await page.locator('input[value=haproxy]').locator('..').click();
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await page.getByText('Copied.').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
      configurations.haproxy?.('database'),
    );
  });

  describe('the URL', () => {
    async function everything(page: Page) {
      const fields = await page
        .locator('input[type=text], select')
        .evaluateAll((all) => all.map((each) => (each as HTMLInputElement).value));
      return { fields, picture: await drawn(page), text: await copied(page), figures: await figures(page) };
    }

    test('restores all that was entered', async () => {
      const page = await open();
      for (const [name, text] of Object.entries({
        initialDelay: '17s',
        interval: '3500ms',
        count: '5',
        userTimeout: '29s',
        rto: '350ms',
        connections: '1234',
        loss: '2.5%',
      })) {
        await page.locator(`#${name}`).fill(text);
      }
      await page.locator('#path-choice').selectOption('other');
      await page.locator('#path').fill('payload:45s');
      await page.locator('input[value=env]').locator('..').click();
      const before = await everything(page);
      await page.waitForURL(/format=env/);
      const hash = new URL(page.url()).hash.slice(1);
      expect(hash).toBe(
        'initialDelay=17s&interval=3.5s&count=5&userTimeout=29s&maxRetransmitInterval=auto&' +
          'path=payload:45s&rto=350ms&connections=1234&loss=2.5%25&format=env',
      );
      const restored = await everything(await open(hash));
      expect({ ...restored, fields: [] }).toEqual({ ...before, fields: [] });
      expect(restored.fields).toEqual(before.fields.map((text) => (text === '3500ms' ? '3.5s' : text)));
    });

    test.each(['tunnel', 'websocket&path=aws-nlb&loss=5%25', 'enable=false', 'enable=true&userTimeout=30s'])(
      'is #%s again after it was read',
      async (hash) => {
        const page = await open(hash);
        await page.locator('#connections').fill('7');
        await page.waitForURL(/connections=7/);
        await page.locator('#connections').fill('100');
        await page.waitForURL((url) => url.hash === `#${hash}`);
      },
    );

    test('is read again if somebody changes it, and keeps the whole of a plan', async () => {
      const page = await open('database');
      await page.evaluate(() => {
        location.hash = 'tunnel&within=2m';
      });
      await page.getByText('Known within 2m: yes.').waitFor();
      expect(await copied(page)).toBe(configurations.ts?.('tunnel'));
    });
  });

  describe('a bad value', () => {
    // What 'auto' is made of.
    const needed = ['initialDelay', 'interval', 'count'];

    test.each([
      ['initialDelay', 'soon'],
      ['initialDelay', '60'],
      ['interval', '10h'],
      ['count', '0'],
      ['count', '2.5'],
      ['userTimeout', '-1'],
      ['maxRetransmitInterval', '3m'],
    ])('of %s, `%s`, shows the message of the library', async (name, text) => {
      const page = await open();
      const before = await drawn(page);
      await page.locator(`#${name}`).fill(text);
      const message = messageOf(() => parseKeepAliveOptions(parseWords([`${name}=${text}`])));
      expect(await page.locator(`#${name}-problem`).textContent()).toBe(message);
      expect(await page.locator(`#${name}`).getAttribute('aria-invalid')).toBe('true');
      expect(await page.locator('.problem:not(:empty)').count()).toBe(1);
      // The last answer stays, and is marked.
      expect(await drawn(page)).toBe(before);
      expect(await page.getByText('A value cannot be used').isVisible()).toBe(true);
      await page.locator(`#${name}`).fill('');
      expect(await page.locator('.problem:not(:empty)').count()).toBe(needed.includes(name) ? 1 : 0);
    });

    test.each([
      ['within', '1s', 'Expected `detectWithin` to be at least '],
      ['rto', '5m', 'Expected `rto` to be from 1 to 120000 milliseconds'],
      ['connections', '0', 'Expected `connections` to be a positive integer'],
      ['loss', '120%', 'Expected `loss` to be a fraction from 0 to 1'],
      ['path', 'aws-nbl', 'did you mean `aws-nlb`?'],
    ])('of %s, `%s`, does too, also in the URL', async (name, text, message) => {
      const page = await open(`tunnel&${name}=${encodeURIComponent(text)}`);
      const shown = await page.locator(`#${name}-problem`).textContent();
      expect(shown).toContain(message.replaceAll('`', ''));
    });

    test('of what belongs to no field is shown above the answer', async () => {
      for (const hash of ['databse', 'database&foo=3s', 'initialDelay=60s&tunnel']) {
        const page = await open(hash);
        const message = messageOf(() => parseKeepAliveOptions(parseWords(hash.split('&'))));
        expect(await page.locator('#problem').textContent()).toBe(message);
        await page.locator('#count').fill('4');
        expect(await page.locator('#problem').textContent()).toBe('');
      }
    });

    test('that is cleared leaves an option to the system', async () => {
      const page = await open('initialDelay=60s&count=zero');
      await page.locator('#count').fill('');
      expect(await page.locator('.problem:not(:empty)').count()).toBe(0);
      expect(await copied(page)).not.toContain('count');
    });

    function messageOf(call: () => unknown): string {
      try {
        call();
      } catch (error) {
        return (error as Error).message.replaceAll('`', '');
      }
      throw new Error('Expected an error, got none');
    }
  });

  describe('who does not see it', () => {
    test('hears the answer once it rests, and problems', async () => {
      const page = await open();
      const status = page.locator('#status');
      expect(await status.textContent()).toBe('');
      await page.getByRole('button', { name: 'tunnel' }).click();
      await expect.poll(() => status.textContent(), { timeout: 20_000 }).toContain('Idle: 90s to');
      await page.locator('#count').fill('0');
      await expect.poll(() => status.textContent(), { timeout: 20_000 }).toContain('Expected `count`');
    });

    const axe = () => readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

    test.each([
      { width: 360, colorScheme: 'light' },
      { width: 1_280, colorScheme: 'dark' },
    ] as const)('finds no serious fault at $width pixels, $colorScheme', async ({ width, colorScheme }) => {
      for (const hash of ['database&path=aws-nlb&within=40s', 'initialDelay=60s&count=0', 'databse']) {
        const page = await open(hash, { viewport: { width, height: 800 }, colorScheme });
        await page.evaluate(axe());
        const faults = await page.evaluate(async () => {
          const { axe } = window as unknown as {
            axe: {
              run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
            };
          };
          const { violations } = await axe.run();
          return violations.map(
            ({ id, impact, nodes }) => `${impact}: ${id}: ${nodes.map(({ html }) => html)}`,
          );
        });
        expect(faults).toEqual([]);
      }
    });

    test('reaches every control by keyboard, and each has a name', async () => {
      const page = await open();
      const reached = new Set<string>();
      for (let presses = 0; presses < 60; presses++) {
        await page.keyboard.press('Tab');
        reached.add(await page.evaluate(() => document.activeElement?.outerHTML ?? ''));
      }
      const all = await page
        .locator('main :is(input:not([name=format]), select, button, textarea):visible')
        .evaluateAll((controls) => controls.map((each) => each.outerHTML));
      expect(all.filter((control) => !reached.has(control))).toEqual([]);
      const unnamed = await page
        .locator('main :is(input, select, textarea)')
        .evaluateAll((controls) =>
          (controls as HTMLInputElement[])
            .filter((each) => !each.labels?.length && !each.getAttribute('aria-label'))
            .map((each) => each.outerHTML),
        );
      expect(unnamed).toEqual([]);
    });
  });

  test.each([320, 390, 820, 1_280])('nothing is wider than a page of %d pixels', async (width) => {
    for (const hash of ['database', 'initialDelay=2h&path=azure-sql-gateway&within=1s&connections=1000000']) {
      const page = await open(hash, { viewport: { width, height: 800 } });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      const picture = await page.locator('#picture svg').boundingBox();
      expect((picture?.x ?? 0) + (picture?.width ?? 0)).toBeLessThanOrEqual(width);
    }
  });

  test('the picture is drawn anew for another width', async () => {
    const page = await open();
    const widthOf = () => page.locator('#picture svg').evaluate((svg) => Number(svg.getAttribute('width')));
    const before = await widthOf();
    await page.setViewportSize({ width: 700, height: 800 });
    await expect.poll(widthOf, { timeout: 20_000 }).toBeLessThan(before);
  });

  test('nothing moves by itself', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'tunnel' }).click();
    expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
  });

  test('it is ready within 200 ms', async () => {
    let best = Infinity;
    // Other work on the machine only makes it slower, so that the best of some loads counts.
    for (let loads = 0; loads < 20 && best >= 200; loads++) {
      const page = await open();
      const ready = await page.evaluate(
        () => performance.getEntriesByName('interactive')[0]?.startTime ?? Infinity,
      );
      best = Math.min(best, ready);
    }
    expect(best).toBeLessThan(200);
  });

  test('it redraws within 8 ms of a processor, with layout', async () => {
    const page = await open('database&within=40s&path=aws-nlb&format=kubernetes');
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const spent = async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      return 1_000 * (metrics.find(({ name }) => name === 'ThreadTime')?.value ?? Number.NaN);
    };
    const redraw = (times: number) =>
      page.evaluate((count) => {
        const slider = document.querySelector<HTMLInputElement>('.field:has(#interval) input[type=range]');
        for (let index = 0; index < count; index++) {
          if (slider !== null) slider.value = String(index % 20);
          slider?.dispatchEvent(new Event('input'));
          document.body.getBoundingClientRect();
        }
      }, times);
    await redraw(50);
    const before = await spent();
    await redraw(200);
    const each = ((await spent()) - before) / 200;
    expect(each).toBeGreaterThan(0);
    expect(each).toBeLessThan(8);
  });
});
