import { beforeAll, describe, expect, test } from 'vitest';
import { parseRuleText } from '../../src/rules/text.ts';
import { browser, evaluate, evaluateInPage, scriptFor } from '../helpers/browser.ts';

// A page may show what rules mean while they are typed.

let script: string;

beforeAll(async () => {
  script = await scriptFor('src/rules/text.ts');
});

const text = '10.0.0.0/8:6379=database; [fd00::/8]:5000-5999=off; db.internal=tunnel; listen:8080=websocket';
const mistakes = ['[fd00::g]=off', '10.0.0.256=off', '5432=databse'];

const parse = (text: string) => {
  try {
    return parseRuleText(text, 'the text');
  } catch (error) {
    return String(error);
  }
};
const answer = JSON.stringify([text, ...mistakes].map(parse));
const question = `JSON.stringify(${JSON.stringify([text, ...mistakes])}.map((text) => {
  try {
    return tcpKeepAlive.parseRuleText(text, 'the text');
  } catch (error) {
    return String(error);
  }
}))`;

describe('the text of rules', () => {
  test('is read by a script that has nothing of Node', () => {
    expect(script).not.toMatch(/require\(|node:|process\./);
    expect(answer).toContain('fd00::/8');
    expect(answer.match(/RangeError \[ERR_KEEPALIVE_INVALID_OPTION\]/g)).toHaveLength(3);
    expect(evaluate(script, question, { URL })).toBe(answer);
  });

  test('is printed by it too', () => {
    const rule = "{ rule: { host: 'fd00::/8', use: false }, ports: [[1, 2]] }";
    expect(evaluate(script, `tcpKeepAlive.ruleText(${rule}, 'client')`)).toBe('[fd00::/8]:1-2=off');
  });

  test.skipIf(browser === undefined)('is read in a page of a browser', async () => {
    expect(await evaluateInPage(script, question)).toBe(answer);
  });
});
