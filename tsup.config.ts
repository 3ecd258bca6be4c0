import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Options } from 'tsup';

type EsbuildPlugin = NonNullable<Options['esbuildPlugins']>[number];

const drivers = readdirSync('src/integrations').map((file) => [
  basename(file, '.ts'),
  `src/integrations/${file}`,
]);

/**
 * Lets every entry reach every shared module, so that esbuild puts these in one chunk: of a dozen,
 * which it makes otherwise, each costs an import about half a millisecond.
 */
const oneSharedChunk: EsbuildPlugin = {
  name: 'one-shared-chunk',
  setup(build) {
    build.onLoad({ filter: /src\/(integrations\/[^/]+|heartbeat|register)\.ts$/ }, async ({ path }) => ({
      contents: `${await readFile(path, 'utf8')}\nimport '${resolve('src/index.ts')}';\n`,
      loader: 'ts',
    }));
  },
};

const common: Options = {
  target: 'node20',
  splitting: true,
  // Optional peers: whoever imports such a module has its driver.
  external: ['undici'],
};

const sharing = {
  index: 'src/index.ts',
  heartbeat: 'src/heartbeat.ts',
  register: 'src/register.ts',
  ...Object.fromEntries(drivers),
};
const alone = { predict: 'src/pure.ts' };

const library: Options = {
  ...common,
  entry: sharing,
  // Entries share their modules in CommonJS too, or each would load its own koffi and its own presets.
  format: ['esm', 'cjs'],
  // The types of both builds, because each removes the other's.
  dts: { entry: { ...sharing, ...alone }, compilerOptions: { ignoreDeprecations: '6.0', paths: {} } },
  clean: ['!cli/**', '!predict.*'],
  esbuildPlugins: [oneSharedChunk],
  esbuildOptions(build, { format }) {
    // The manifest tells that modules have no side effects, and what has none is not imported for them.
    build.ignoreAnnotations = true;
    if (format !== 'cjs') return;
    // tsup splits CommonJS by turning ES modules into it at the very end, so what CommonJS lacks, and
    // what that step would turn into slow helper calls, is turned here.
    build.define = { ...build.define, 'import.meta.url': 'undefined' };
    build.supported = { 'nullish-coalescing': false, 'optional-chain': false };
  },
};

/** What a browser runs, and nothing else: it has no state to share, so it is whole in itself. */
const pure: Options = {
  ...common,
  entry: alone,
  format: ['esm', 'cjs'],
  splitting: false,
};

/** A process of its own, which shares nothing and starts fast. */
const cli: Options = {
  ...common,
  entry: { main: 'src/cli/main.ts' },
  outDir: 'dist/cli',
  format: ['esm'],
  clean: true,
};

const configurations: Options[] = [library, pure, cli];

export default configurations;
