import { execFileSync } from 'node:child_process';
import { build } from 'esbuild';
await build({absWorkingDir:'/work/wt/reaper',entryPoints:['test/fixtures/long-path.ts'],bundle:true,platform:'node',format:'esm',outfile:'/work/wt/reaper/test/fixtures/.lp.mjs',external:['koffi','@koromix/*'],tsconfig:'tsconfig.json'});
