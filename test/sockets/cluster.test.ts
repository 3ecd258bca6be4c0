import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { databaseInKernel } from '../helpers/hold-parts.ts';
import { runFixture } from '../helpers/run-fixture.ts';

describe.runIf(process.platform === 'linux').each(['SCHED_RR', 'SCHED_NONE'])(
  'the workers of a cluster (%s)',
  (policy) => {
    test.each(['127.0.0.1', '::1'])('give the options to every connection on %s', async (host) => {
      expect(await runFixture('cluster-service.ts', policy, host)).toEqual([databaseInKernel]);
    });

    test("keep their own rules when another worker's end", async () => {
      expect(await runFixture('cluster-rules.ts', policy, '127.0.0.1')).toEqual([databaseInKernel]);
    });

    test('leave a Unix listener alone', async () => {
      const directory = mkdtempSync(path.join(tmpdir(), 'keepalive-'));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      expect(await runFixture('cluster-service.ts', policy, path.join(directory, 'socket'))).toEqual([
        'unix',
      ]);
    });
  },
);
