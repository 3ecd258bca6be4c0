import commonjs from '@rollup/plugin-commonjs';
import { nodeResolve } from '@rollup/plugin-node-resolve';

export default {
  input: 'entry.mjs',
  plugins: [nodeResolve({ preferBuiltins: true }), commonjs()],
  output: [
    { file: 'rollup/esm.mjs', format: 'es' },
    { file: 'rollup/cjs.cjs', format: 'cjs' },
  ],
};
