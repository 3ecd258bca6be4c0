import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import type { Options } from 'tsup';
import { koffiBinaries, koffiPackage } from './native-bindings/koffi-packages.ts';

const drivers = Object.fromEntries(
  readdirSync('src/drivers')
    .filter((file) => file !== 'kit.ts')
    .map((file) => [basename(file, '.ts'), `src/drivers/${file}`]),
);

/** The package's entries, by the names of their files in `dist`. */
const entries = {
  index: 'src/index.ts',
  predict: 'src/predict/index.ts',
  heartbeat: 'src/heartbeat/index.ts',
  machine: 'src/machine/index.ts',
  opentelemetry: 'src/metrics/opentelemetry.ts',
  prometheus: 'src/metrics/prometheus.ts',
  testing: 'src/testing/index.ts',
  ...drivers,
};

/**
 * A function that nobody calls. The loader makes the names of koffi's packages at run time. A tool that copies the
 * files which a program names, such as @vercel/nft, finds them here. esbuild would replace `require` in ESM, so the
 * text is added after it. webpack would parse the binaries, and Bun and Turbopack would bundle them: webpack sees
 * that the first line ends the function, and the others do not evaluate `join`.
 */
function koffiFiles(): string {
  const files = Object.entries(koffiBinaries).flatMap(([system, binaries]) =>
    ['index.js', ...binaries.map((binary) => `${binary}/koffi.node`)].map(
      (file) => `    require.resolve(['${koffiPackage(system)}', '${file}'].join('/'));`,
    ),
  );
  return `function koffiFiles() {
  if (typeof __webpack_require__ !== 'undefined') return;
  try {
${files.join('\n')}
  } catch {}
}`;
}

const common: Options = {
  target: 'node20',
  splitting: false,
  removeNodeProtocol: false,
  // Optional peers: whoever imports such a module has its driver.
  external: ['undici', 'prom-client', '@opentelemetry/api'],
};

const library: Options = {
  ...common,
  format: ['esm', 'cjs'],
  esbuildOptions(build, { format }) {
    // Every entry takes the library from one file, which package.json calls `#core`.
    build.external = [...(build.external ?? []), '#core'];
    if (format === 'cjs') build.define = { ...build.define, 'import.meta.url': 'undefined' };
  },
};

const core: Options = {
  ...library,
  entry: { core: 'src/core.ts' },
  footer: { js: koffiFiles() },
};

const around: Options = {
  ...library,
  entry: entries,
  dts: {
    entry: { ...entries, register: 'src/register.ts' },
    // The types of `#core` are those of its source, and so no declaration names it.
    compilerOptions: { ignoreDeprecations: '6.0', paths: { '#core': ['./src/core.ts'] } },
  },
};

/** It loads the library only if the environment asks for it: ESM waits for an import, and CommonJS cannot. */
const register: Options[] = [
  { ...library, format: ['esm'], entry: { register: 'src/register.ts' } },
  { ...library, format: ['cjs'], entry: { register: 'src/register.cts' } },
];

/** A process of its own, which starts fast: each command is loaded when it is called, with what it needs. */
const cli: Options = {
  ...common,
  splitting: true,
  entry: { main: 'src/cli/main.ts' },
  outDir: 'dist/cli',
  format: ['esm'],
};

const configurations: Options[] = [core, around, ...register, cli];

export default configurations;
