import { resolve } from 'node:path';
import { printLine } from '../sockets/report.ts';
import { debugLine } from './debug-line.ts';
import { rulesOfEnvironment } from './environment.ts';
import { expectAvailable, installRules, type Observer } from './install.ts';

// Captured now, so that fake timers cannot hold the lines back.
const soon = globalThis.setImmediate;

/** Installs the rules of the environment. A mistake in them ends the process, with a line that says where. */
export function startRules(): void {
  try {
    const { TCP_KEEPALIVE_CONFIG: path } = process.env;
    // Child processes inherit the variable, and may start in another folder.
    if (path) process.env.TCP_KEEPALIVE_CONFIG = resolve(path);
    const { rules, strict } = rulesOfEnvironment(process.env);
    if (strict) expectAvailable(rules);
    installRules(rules, process.env.TCP_KEEPALIVE_DEBUG === '1' ? tell : undefined);
  } catch (error) {
    printLine(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

// Drivers set their options at 'connect' too, and the line shows the result.
const tell: Observer = (socket, connection, rule) =>
  void soon(() => printLine(debugLine(socket, connection, rule)));
