import { beforeAll, describe, expect, test } from 'vitest';
import { planKeepAlive, predictDetection, presets, reviewKeepAlive } from '../../src/predict/index.ts';
import { browser, evaluate, evaluateInPage, scriptFor } from '../helpers/browser.ts';

// What `tcp-keepalive/predict` gives has to run if there is no Node.

let script: string;

beforeAll(async () => {
  script = await scriptFor('src/predict/index.ts');
});

const question = `JSON.stringify([
  tcpKeepAlive.predictDetection('database', { hz: 250 }),
  tcpKeepAlive.planKeepAlive({ detectWithin: 30000, pathIdleLimit: 'aws-nlb' }),
  tcpKeepAlive.reviewKeepAlive(tcpKeepAlive.presets.tunnel),
])`;

const answer = JSON.stringify([
  predictDetection('database', { hz: 250 }),
  planKeepAlive({ detectWithin: 30_000, pathIdleLimit: 'aws-nlb' }),
  reviewKeepAlive(presets.tunnel),
]);

describe('the pure functions', () => {
  test('are bundled for a browser without anything of Node', () => {
    expect(script).not.toMatch(/require\(|node:|process\./);
  });

  test('give the same answers in a context that has nothing but the language', () => {
    expect(evaluate(script, question)).toBe(answer);
  });

  test('refuse what is wrong there too', () => {
    const refused =
      'try { tcpKeepAlive.predictDetection({ initialDelay: 60 }) } catch (error) { String(error) }';
    expect(evaluate(script, refused)).toMatch(/^RangeError \[ERR_KEEPALIVE_INVALID_OPTION\]: Expected /);
  });

  test.skipIf(browser === undefined)('give the same answers in a page of a browser', async () => {
    expect(await evaluateInPage(script, question)).toBe(answer);
  });
});
