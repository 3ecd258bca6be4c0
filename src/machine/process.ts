import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { codeOf } from '../options/errors.ts';
import { refusal } from '../options/fields.ts';
import { aPid } from './list.ts';
import { borrowerHere, programOf } from './owner.ts';

/** A process, and what distinguishes it from a later one with the same id. */
export interface ProcessIdentity {
  readonly pid: number;
  /** The name of its program, such as `node`. */
  readonly name: string;
  /** When it began, in ticks since the machine did. */
  readonly startTime: string;
}

/** The state and the flag in `/proc/PID/stat` of a process that has ended, and of a thread of the kernel. */
const ENDED = ['Z', 'X'];
const PF_KTHREAD = 0x0020_0000;

/**
 * Finds a process whose sockets can be changed from here.
 *
 * @throws `ERR_KEEPALIVE_INVALID_OPTION`, `ERR_KEEPALIVE_UNSUPPORTED`, or an error that says why it is none and what to do,
 *   with the code `ESRCH`, `EPERM` or `EACCES`
 */
export function identify(pid: number): ProcessIdentity {
  borrowerHere();
  aPid(pid, 'pid');
  if (pid === process.pid) {
    throw refusal('`pid` to be another process', pid, {
      hint: ', which is this one: call setKeepAlive in it',
    });
  }
  const stat = readStat(pid);
  if (stat === undefined)
    throw failure('ESRCH', `No process here has the id ${pid}: look for it with pgrep or ps`);
  if (stat.isKernel)
    throw failure('ESRCH', `${pid} is a thread of the kernel, which has no connections of a program`);
  if (stat.hasEnded)
    throw failure('ESRCH', `Process ${pid} has ended (a zombie), and its connections with it`);
  expectLeader(pid);
  expectSameNetwork(pid);
  return { pid, name: programOf(pid), startTime: stat.startTime };
}

/** Whether a process still runs, and no other has got its id. */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readStat(pid);
  return stat !== undefined && !stat.hasEnded && stat.startTime === startTime;
}

/** The error for what the system refuses, with what to do about it. */
export function explained(error: unknown, pid: number): Error {
  const code = codeOf(error) ?? '';
  if (code === 'EPERM' || code === 'EACCES')
    return failure(code, `${cannot(pid, code)}: ${cureFor(pid)}`, error);
  if (code === 'ENOSYS') {
    const cure = 'it needs Linux 5.6, and no seccomp profile that refuses pidfd_getfd';
    return failure(code, `${cannot(pid, code)}: ${cure}`, error);
  }
  if (code === 'ESRCH' || code === 'ENOENT') return failure('ESRCH', `Process ${pid} has ended`, error);
  return error as Error;
}

const cannot = (pid: number, code: string) => `Cannot reach the sockets of process ${pid} (${code})`;

/** @see https://docs.kernel.org/admin-guide/LSM/Yama.html */
function cureFor(pid: number): string {
  const scope = Number(contentOf('/proc/sys/kernel/yama/ptrace_scope') ?? 0);
  if (!isOfThisUser(pid)) return 'run this as its user, or as root';
  if (scope === 3)
    return 'Yama lets nobody (kernel.yama.ptrace_scope = 3) until the machine is started again';
  if (scope > 0) return `run this as root, because of Yama (kernel.yama.ptrace_scope = ${scope})`;
  if (/^Seccomp:\s+2$/m.test(contentOf('/proc/self/status') ?? ''))
    return 'a seccomp profile refuses it: run this outside of the container, or in one with --cap-add SYS_PTRACE';
  return 'it has more rights than this process: run this as root, with CAP_SYS_PTRACE';
}

function isOfThisUser(pid: number): boolean {
  try {
    const user = process.geteuid?.();
    return user === 0 || statSync(`/proc/${pid}`).uid === user;
  } catch {
    return true;
  }
}

/** A thread has a directory in `/proc` too, although it is not listed there. */
function expectLeader(pid: number): void {
  const leader = /^Tgid:\s+(\d+)$/m.exec(contentOf(`/proc/${pid}/status`) ?? '')?.[1];
  if (leader === undefined || Number(leader) === pid) return;
  throw failure('ESRCH', `${pid} is a thread of process ${leader}: give that one`);
}

/** The sockets of another network namespace, such as a container's, are not listed here. */
function expectSameNetwork(pid: number): void {
  let theirs: string;
  try {
    theirs = readlinkSync(`/proc/${pid}/ns/net`);
  } catch (error) {
    throw explained(error, pid);
  }
  if (theirs === readlinkSync('/proc/self/ns/net')) return;
  throw failure(
    'ESRCH',
    `Process ${pid} is in another network namespace, such as a container's: run this there, as with nsenter --net --target ${pid}`,
  );
}

function readStat(pid: number) {
  const stat = contentOf(`/proc/${pid}/stat`);
  // The name before these fields may contain anything.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined) return undefined;
  return {
    hasEnded: ENDED.includes(fields[0] ?? ''),
    isKernel: (Number(fields[6]) & PF_KTHREAD) !== 0,
    startTime: fields[19] ?? '',
  };
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function failure(code: string, message: string, cause?: unknown): Error {
  return Object.assign(cause === undefined ? new Error(message) : new Error(message, { cause }), { code });
}
