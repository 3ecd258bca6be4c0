import assert from 'node:assert/strict';
import { loadLibc } from '../../native-bindings/libc.ts';
import { linux } from '../../native-bindings/platforms/linux.ts';
import { tcpInfoLayout } from '../../native-bindings/tcp-info.ts';

/** What Linux takes: of the keepalive options as tcp(7) says, in its own units. */
const RANGES: Record<string, readonly [min: number, max: number]> = {
  SO_KEEPALIVE: [0, 1],
  TCP_KEEPIDLE: [1, 32_767],
  TCP_KEEPINTVL: [1, 32_767],
  TCP_KEEPCNT: [1, 127],
  TCP_USER_TIMEOUT: [0, 0x7fff_ffff],
  TCP_RTO_MAX_MS: [1_000, 120_000],
  IP_RECVERR: [0, 1],
  IPV6_RECVERR: [0, 1],
};

const optionsOfLinux = Object.values(linux).flatMap((entry) => [entry, ...(entry.also ?? [])]);

const TCP_NODELAY = { level: 6, name: 1 };

/**
 * Looks at everything that goes through the FFI, on its way to the kernel: descriptors, options and
 * values must be integers in range, and what is wrong must never leave the process.
 *
 * @returns what ends the watch, and gives the number of calls seen; it throws for the first bad one
 */
export function watchSystemCalls(): { end(): number } {
  const libc = loadLibc();
  const { setsockopt, getsockopt } = libc;
  let calls = 0;
  let bad: unknown;
  const checked = (check: () => void): void => {
    calls += 1;
    try {
      check();
    } catch (error) {
      bad ??= error;
    }
  };
  libc.setsockopt = (fd, level, name) => {
    checked(() => checkSet(fd, level, name, libc.memory[0]));
    return bad === undefined ? setsockopt(fd, level, name) : -1;
  };
  libc.getsockopt = (fd, level, name) => {
    checked(() => checkGet(fd, level, name));
    return bad === undefined ? getsockopt(fd, level, name) : -1;
  };
  return {
    end() {
      Object.assign(libc, { setsockopt, getsockopt });
      if (bad !== undefined) throw bad;
      return calls;
    },
  };
}

function checkSet(fd: unknown, level: number, name: number, value: number | undefined): void {
  checkDescriptor(fd);
  const row = optionsOfLinux.find((entry) => entry.level === level && entry.name === name);
  assert.ok(row, `setsockopt of an unknown option ${level}/${name}`);
  const [min, max] = RANGES[row.constant] ?? [1, 0];
  assert.ok(value !== undefined && value >= min && value <= max, `${row.constant} = ${value}`);
}

function checkGet(fd: unknown, level: number, name: number): void {
  checkDescriptor(fd);
  const known = [...optionsOfLinux, tcpInfoLayout, TCP_NODELAY];
  assert.ok(
    known.some((entry) => entry.level === level && entry.name === name),
    `getsockopt of an unknown option ${level}/${name}`,
  );
}

function checkDescriptor(fd: unknown): void {
  assert.ok(
    typeof fd === 'number' && Number.isInteger(fd) && fd >= 0 && fd <= 0x7fff_ffff,
    `descriptor ${String(fd)}`,
  );
}
