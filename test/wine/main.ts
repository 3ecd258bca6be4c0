/**
 * Tries the packed package on Node for Windows under Wine: `npm run test:wine`. Wine 8 has `SO_KEEPALIVE` and refuses the
 * other options, so that the SOCKET, `enable` and what is told of the rest are tried.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { certificate, certificateKey } from '../helpers/test-certificate.ts';
import { packedProject } from '../runtimes/packed-project.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tcp-keepalive-wine-'));
const env = {
  ...process.env,
  WINEPREFIX: join(scratch, 'prefix'),
  WINEDEBUG: '-all',
  NODE_SKIP_PLATFORM_CHECK: '1',
};

try {
  if (spawnSync('wine', ['--version']).error !== undefined) {
    throw new Error('Wine is not installed: apt-get install wine64 wine');
  }
  const { withoutKoffi: project } = packedProject(scratch);
  cpSync(
    here('node_modules/@koromix/koffi-win32-x64'),
    join(project, 'node_modules/@koromix/koffi-win32-x64'),
    { recursive: true },
  );
  cpSync(here('suite.cjs'), join(project, 'suite.cjs'));
  writeFileSync(
    join(project, 'certificate.json'),
    JSON.stringify({ cert: certificate, key: certificateKey }),
  );
  for (const node of ['node-20', 'node-22']) {
    for (const [name, file] of [
      ['options', 'suite.cjs'],
      ['every entry, both ways', 'smoke/entries.mjs'],
    ] as const) {
      const { status } = spawnSync('wine', [here(`node_modules/${node}/bin/node.exe`), file], {
        cwd: project,
        env,
        stdio: 'ignore',
        timeout: 120_000,
      });
      // A program that wine runs has no console, so it writes to a file.
      const output = file === 'suite.cjs' ? readFileSync(join(project, 'told.txt'), 'utf8') : '';
      console.log(`${status === 0 ? 'yes' : 'NO '} ${node}: ${name}\n${output}`);
      if (status !== 0) process.exitCode = 1;
    }
  }
} finally {
  spawnSync('wineserver', ['-k'], { env });
  rmSync(scratch, { recursive: true, force: true });
}
