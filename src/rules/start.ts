import { resolve } from 'node:path';
import { reapForRules } from '../sockets/reap.ts';
import { printLine } from '../sockets/report.ts';
import { wantsLines } from './asked.ts';
import { countLine, debugLine } from './debug-line.ts';
import { rulesOfEnvironment } from './environment.ts';
import { expectAvailable, installRules, type Observer } from './install.ts';
import type { CompiledRule } from './rule.ts';

// Captured now, so that fake timers cannot hold the lines back.
const soon = globalThis.setImmediate;

/** On `globalThis`: whether this thread has the rules of its environment. */
const STARTED = Symbol.for('tcp-keepalive.started');

/**
 * Installs the rules of the environment, once in each thread: a program may be started with both `--require` and
 * `--import`. A mistake in them ends the process, with a line that says where.
 */
export function startRules(): void {
  const marked = globalThis as { [STARTED]?: true };
  if (marked[STARTED]) return;
  marked[STARTED] = true;
  try {
    const { TCP_KEEPALIVE_CONFIG: path } = process.env;
    // Child processes inherit the variable, and may start in another folder.
    if (path) process.env.TCP_KEEPALIVE_CONFIG = resolve(path);
    const { rules, strict, reap } = rulesOfEnvironment(process.env);
    if (strict) expectAvailable(rules);
    if (reap !== undefined) reapForRules(reap.silentAfter);
    installRules(rules, wantsLines(process.env) ? tell : undefined);
    if (wantsLines(process.env)) process.on('exit', () => tellCounts(rules));
  } catch (error) {
    printLine(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

// Drivers set their options at 'connect' too, and the line shows the result.
const tell: Observer = (socket, connection, rule) =>
  void soon(() => printLine(debugLine(socket, connection, rule)));

function tellCounts(rules: readonly CompiledRule[]): void {
  for (const rule of rules) printLine(countLine(rule));
}
