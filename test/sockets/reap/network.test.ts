import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { test, vi } from 'vitest';
import { PATIENCE } from '../../helpers/patience.ts';
import { fixtureArguments } from '../../helpers/run-fixture.ts';

// They wait for the kernel, all of them at once.
vi.setConfig({ maxConcurrency: 16 });

const hasTunnels =
  spawnSync('unshare', ['-Urn', 'ip', 'tuntap', 'add', 'dev', 'path0', 'mode', 'tun']).status === 0;
if (!hasTunnels) console.warn('Skipped: deaths over a long path: no network namespace with a TUN device');

/** A time until which the path is up, and then what becomes of it. */
type States = readonly (readonly ['silent' | 'unreachable', at: number])[];

interface Ends {
  /** When the held connection ended, after the path was no longer up, in milliseconds. */
  readonly after: number;
  readonly code: string;
  /** Whether the other one, which no reaper looks at, was still open then. */
  readonly isAloneOpen: boolean;
}

async function endsOver(
  delay: number,
  states: States,
  { version = 4, every = 0, options }: { version?: 4 | 6; every?: number; options: object },
): Promise<Ends> {
  const args = [delay, states, version, every, options].map((value) => JSON.stringify(value));
  const { stdout } = await promisify(execFile)(
    'unshare',
    ['-Urn', process.execPath, ...(await fixtureArguments('long-path.ts', ...args))],
    { timeout: PATIENCE, killSignal: 'SIGKILL' },
  );
  return JSON.parse(stdout);
}

// The clock starts with the first look, and the socket is looked at once a second, if the machine is not busy.
const LATE = 4_000;

test.runIf(hasTunnels).concurrent.for([
  { why: 'keeps writing', delay: 175, every: 100, states: [['silent', 0]], userTimeout: 5_000 },
  {
    why: 'is told by a router that the peer is unreachable',
    delay: 0,
    every: 0,
    states: [
      ['silent', 0],
      ['unreachable', 12_000],
    ],
    userTimeout: 14_000,
  },
] as const)(
  'a sender that $why ends in time',
  async ({ delay, every, states, userTimeout }, { expect, skip }) => {
    const { after, code, isAloneOpen } = await endsOver(delay, states, { every, options: { userTimeout } });
    // It does so only if a retransmission meets the router before the deadline. If not, the error is the router's.
    skip(!isAloneOpen, 'the kernel did not overrun the deadline this time');
    expect(code).toBe('ETIMEDOUT');
    expect(after).toBeGreaterThanOrEqual(userTimeout);
    expect(after).toBeLessThan(userTimeout + LATE);
  },
);
