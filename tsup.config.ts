import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import type { Options } from 'tsup';

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
  register: 'src/register.ts',
  ...drivers,
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
  entry: { core: 'src/core.ts', ...entries },
  format: ['esm', 'cjs'],
  dts: {
    entry: entries,
    // The types of `#core` are those of its source, and so no declaration names it.
    compilerOptions: { ignoreDeprecations: '6.0', paths: { '#core': ['./src/core.ts'] } },
  },
  esbuildOptions(build, { format }) {
    // Every entry takes the library from one file, which package.json calls `#core`.
    build.external = [...(build.external ?? []), '#core'];
    if (format === 'cjs') build.define = { ...build.define, 'import.meta.url': 'undefined' };
  },
};

/** A process of its own, which shares nothing and starts fast. */
const cli: Options = {
  ...common,
  entry: { main: 'src/cli/main.ts' },
  outDir: 'dist/cli',
  format: ['esm'],
};

const configurations: Options[] = [library, cli];

export default configurations;
