import { resolve } from 'node:path';

const esm = {
  entry: './entry.mjs',
  output: { path: resolve('webpack'), filename: 'esm.mjs', module: true, chunkFormat: 'module' },
  experiments: { outputModule: true },
};
const cjs = { entry: './entry.cjs', output: { path: resolve('webpack'), filename: 'cjs.cjs' } };

export default [esm, cjs].map((format) => ({ target: 'node20', mode: 'production', ...format }));
