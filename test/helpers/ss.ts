import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

/** The reason why `ss` cannot be compared with, or `undefined`. */
export function missingSs(): string | undefined {
  const { error } = spawnSync('ss', ['--version']);
  return error === undefined ? undefined : 'ss is not installed: apt-get install iproute2';
}

/** What `ss` tells of a socket. */
export interface SsRow {
  readonly state: string;
  readonly unread: number;
  readonly unacknowledged: number;
  readonly local: string;
  readonly remote: string;
  readonly inode: number;
  readonly timer: { kind: string; expires: number; unanswered: number } | undefined;
  readonly rtt: number | undefined;
  readonly rto: number | undefined;
  readonly pid: number | undefined;
}

const states: Readonly<Record<string, string>> = {
  ESTAB: 'ESTABLISHED',
  'FIN-WAIT-1': 'FIN_WAIT1',
  'FIN-WAIT-2': 'FIN_WAIT2',
};

/** Every socket with a port at either end, as `ss` sees it, by its cookie. */
export async function ssRows(port: number): Promise<Map<number, SsRow>> {
  const filter = `( sport = :${port} or dport = :${port} )`;
  const { stdout } = await promisify(execFile)('ss', ['-tanoiepHO', filter], { maxBuffer: 1e9 });
  return new Map(stdout.split('\n').filter(Boolean).map(rowOf));
}

function rowOf(line: string): [number, SsRow] {
  const [state = '', unread, unacknowledged, local = '', remote = ''] = line.split(/\s+/);
  const field = (pattern: RegExp) => pattern.exec(line)?.[1];
  const [, kind, expires = '', unanswered] = /timer:\((\w+),([^,]*),(\d+)\)/.exec(line) ?? [];
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  return [
    Number.parseInt(field(/\bsk:([\da-f]+)/) ?? '', 16),
    {
      state: states[state] ?? state.replaceAll('-', '_'),
      unread: Number(unread),
      unacknowledged: Number(unacknowledged),
      local,
      remote,
      inode: Number(field(/\bino:(\d+)/) ?? 0),
      timer:
        kind === undefined ? undefined : { kind, expires: timeOf(expires), unanswered: Number(unanswered) },
      rtt: number(field(/\brtt:([\d.]+)/)),
      rto: number(field(/\brto:([\d.]+)/)),
      pid: number(field(/\bpid=(\d+)/)),
    },
  ];
}

/** `1min59sec`, `59sec`, `200ms`, or `9.820ms` for 9 s and 820 ms, in milliseconds. */
function timeOf(text: string): number {
  const [, minutes = 0, seconds = 0, ms = 0] =
    /^(?:(\d+)min)?(?:(\d+)(?:sec|\.))?(?:(\d+)ms)?$/.exec(text) ?? [];
  return Number(minutes) * 60_000 + Number(seconds) * 1_000 + Number(ms);
}
