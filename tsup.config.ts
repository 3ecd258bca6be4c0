import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import type { Options } from 'tsup';
import * as internal from './src/core.ts';

type EsbuildPlugin = NonNullable<Options['esbuildPlugins']>[number];

const main = { index: 'src/main.ts' };

/** What a browser runs, and nothing else: it has no state to share, so it is whole in itself. */
const pure = { predict: 'src/predict/index.ts' };

/** Pings on connections that somebody else has set: they need nothing of the main entry. */
const heartbeat = { heartbeat: 'src/heartbeat/index.ts' };

const drivers = Object.fromEntries(
  readdirSync('src/drivers')
    .filter((file) => file !== 'kit.ts')
    .map((file) => [basename(file, '.ts'), `src/drivers/${file}`]),
);
const aroundMain = { register: 'src/register.ts', ...drivers };

const names = Object.keys(internal).join(', ');

/** Makes what the main entry shares a plain object: esbuild's namespace of getters costs an import 0.1 ms. */
const plainInternal: EsbuildPlugin = {
  name: 'plain-internal',
  setup(build) {
    build.onLoad({ filter: /src[\\/]main\.ts$/ }, () => ({
      contents: `import { ${names} } from './core.ts';
        export * from './index.ts';
        export const _internal = { ${names} };`,
      resolveDir: 'src',
    }));
  },
};

/**
 * Takes what an entry shares with the main one from the main one's file. Were there two of it, each
 * would load its own koffi and have its own presets.
 */
const internalOfMain: EsbuildPlugin = {
  name: 'internal-of-main',
  setup(build) {
    const file = build.initialOptions.format === 'cjs' ? './index.cjs' : './index.js';
    build.onResolve({ filter: /^main-entry$/ }, () => ({ path: file, external: true }));
    build.onLoad({ filter: /src[\\/]core\.ts$/ }, () => ({
      contents: `import { _internal } from 'main-entry';
        export const { ${names} } = _internal;`,
    }));
  },
};

const common: Options = {
  target: 'node20',
  splitting: false,
  removeNodeProtocol: false,
  // Optional peers: whoever imports such a module has its driver.
  external: ['undici'],
};

const library: Options = {
  ...common,
  format: ['esm', 'cjs'],
  esbuildOptions(build, { format }) {
    if (format === 'cjs') build.define = { ...build.define, 'import.meta.url': 'undefined' };
  },
};

const whole: Options = {
  ...library,
  entry: { ...main, ...pure, ...heartbeat },
  // Most of an import is V8 reading the file. It takes a sixth less of it where local names are short.
  // Functions keep their names, the text its lines, for stack traces; and nothing is folded into
  // functions that are called often.
  minify: 'terser',
  terserOptions: {
    ecma: 2020,
    keep_fnames: true,
    compress: { inline: false, reduce_funcs: false },
    format: { beautify: true, indent_level: 2 },
  },
  esbuildPlugins: [plainInternal],
  // The types of all entries, because each of two builds removes the other's.
  dts: {
    entry: { index: 'src/index.ts', ...pure, ...heartbeat, ...aroundMain },
    compilerOptions: { ignoreDeprecations: '6.0', paths: {} },
  },
};

const parts: Options = {
  ...library,
  entry: aroundMain,
  esbuildPlugins: [internalOfMain],
};

/** A process of its own, which shares nothing and starts fast. */
const cli: Options = {
  ...common,
  entry: { main: 'src/cli/main.ts' },
  outDir: 'dist/cli',
  format: ['esm'],
};

const configurations: Options[] = [whole, parts, cli];

export default configurations;
