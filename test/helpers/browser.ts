import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { build } from 'esbuild';

/** The path of a browser, if this machine has one. */
export const browser: string | undefined = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap((name) => (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, name)))
  .find((file) => fs.existsSync(file));

/**
 * Bundles a source file and its imports into one script, which names the exports `tcpKeepAlive`.
 *
 * @param source - from the project's root
 */
export async function scriptFor(source: string): Promise<string> {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL(`../../${source}`, import.meta.url))],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'tcpKeepAlive',
    write: false,
  });
  return bundle.outputFiles[0]?.text ?? '';
}

/** Evaluates an expression after a script, in a context with these globals and without those of Node. */
export function evaluate(script: string, expression: string, globals: object = {}): unknown {
  const context = vm.createContext(Object.assign(Object.create(null), globals));
  vm.runInContext(script, context);
  if (vm.runInContext('typeof process + typeof Buffer', context) !== 'undefinedundefined') {
    throw new Error('Expected a context without Node, got one that has it');
  }
  return vm.runInContext(expression, context);
}

/** Evaluates an expression after a script, in a page of the browser. */
export async function evaluateInPage(script: string, expression: string): Promise<string | undefined> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tcp-keepalive-'));
  try {
    const page = path.join(folder, 'page.html');
    await writeFile(
      page,
      `<pre></pre><script>${script};document.querySelector('pre').textContent=${expression}</script>`,
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
    const [, shown] = /<pre>(.*)<\/pre>/s.exec(stdout) ?? [];
    return shown?.replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&');
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
