import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { planKeepAlive, predictDetection, presets, reviewKeepAlive } from '../../src/predict/index.ts';

// What `tcp-keepalive/predict` gives has to run where there is no Node.

const browser = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap((name) => (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, name)))
  .find((file) => fs.existsSync(file));

let script: string;

beforeAll(async () => {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL('../../src/predict/index.ts', import.meta.url))],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'tcpKeepAlive',
    write: false,
  });
  script = bundle.outputFiles[0]?.text ?? '';
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
    const context = vm.createContext(Object.create(null));
    vm.runInContext(script, context);
    expect(vm.runInContext('typeof process + typeof Buffer', context)).toBe('undefinedundefined');
    expect(vm.runInContext(question, context)).toBe(answer);
  });

  test('refuse what is wrong there too', () => {
    const context = vm.createContext(Object.create(null));
    vm.runInContext(script, context);
    const code = vm.runInContext(
      'try { tcpKeepAlive.predictDetection({ initialDelay: 60 }) } catch (error) { error.code }',
      context,
    );
    expect(code).toBe('ERR_KEEPALIVE_INVALID_OPTION');
  });

  test.skipIf(browser === undefined)('give the same answers in a page of a browser', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'tcp-keepalive-'));
    try {
      const page = path.join(folder, 'page.html');
      await writeFile(
        page,
        `<pre></pre><script>${script};document.querySelector('pre').textContent=${question}</script>`,
      );
      const flags = [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        `--user-data-dir=${folder}/profile`,
        '--dump-dom',
      ];
      const { stdout } = await promisify(execFile)(browser ?? '', [...flags, `file://${page}`], {
        timeout: 25_000,
      });
      expect(unescaped(stdout)).toContain(`<pre>${answer}</pre>`);
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});

function unescaped(html: string): string {
  return html.replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&');
}
