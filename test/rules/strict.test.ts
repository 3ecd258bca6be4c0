import { describe, expect, onTestFinished, test } from 'vitest';
import { missingKoffi } from '../helpers/missing-koffi.ts';
import { packageOn } from '../helpers/package-on.ts';

const rules = [{ port: 5432, use: 'database' }] as const;

describe('strict rules', () => {
  test.runIf(process.platform === 'linux')('are installed if all that they ask for can be set', async () => {
    const { installKeepAlive } = await packageOn('linux');
    onTestFinished(installKeepAlive(rules, { strict: true }));
  });

  test('are refused if koffi cannot be loaded, and nothing is installed', async () => {
    missingKoffi(new Error('Cannot load koffi, which calls setsockopt: gone'));
    const { installKeepAlive } = await packageOn('linux');
    expect(() => installKeepAlive(rules, { strict: true })).toThrow(
      expect.objectContaining({
        code: 'ERR_KEEPALIVE_UNSUPPORTED',
        message: 'Cannot set every option, as strict asks: Cannot load koffi, which calls setsockopt: gone',
      }),
    );
    expect(Reflect.get(globalThis, Symbol.for('tcp-keepalive.rules'))?.sets ?? []).toEqual([]);
    onTestFinished(installKeepAlive(rules));
  });

  test('are refused if the system, here an injected one, lacks an option of a rule', async () => {
    const { installKeepAlive } = await packageOn('openbsd');
    onTestFinished(installKeepAlive([{ use: { enable: true } }, { use: false }], { strict: true }));
    expect(() => installKeepAlive(rules, { strict: true })).toThrow('Cannot set `initialDelay`');
  });

  test('are true or false', async () => {
    const { installKeepAlive } = await packageOn('linux');
    expect(() => installKeepAlive(rules, { strict: 1 as never })).toThrow(
      'Expected `strict` to be true or false, got `1` (number)',
    );
  });
});
