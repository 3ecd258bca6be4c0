import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';
import { parseKeepAliveOptions } from '../src/options/parse.ts';
import { drawReport } from '../src/predict/drawing.ts';
import { reportOf } from '../src/predict/report.ts';

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Makes the calculator: one page of HTML that needs nothing but itself, and is allowed nothing else. */
export async function calculatorPage(version: string): Promise<string> {
  const script = await bundled();
  const { code } = await transform(readFileSync(file('page/style.css'), 'utf8'), {
    loader: 'css',
    minify: true,
  });
  const style = code.trim();
  const policy = policyFor(script, [style, styleOfPictures()]);
  return readFileSync(file('page/index.html'), 'utf8')
    .replace('{{policy}}', policy)
    .replace('{{version}}', version)
    .replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${style}</style>`)
    .replace(/<script [^>]*><\/script>/, () => `<script>${script}</script>`);
}

async function bundled(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [file('page/calculator.ts')],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    write: false,
  });
  // A text that looks like the end of the script would end it.
  return (outputFiles[0]?.text ?? '').trim().replaceAll('</script', '<\\/script');
}

/** Every picture has the same style within itself. */
function styleOfPictures(): string {
  const picture = drawReport(reportOf('database', parseKeepAliveOptions('database'), {}));
  return /<style>(.*?)<\/style>/s.exec(picture)?.[1] ?? '';
}

function policyFor(script: string, styles: readonly string[]): string {
  return [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${styles.map(hashOf).join(' ')}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
