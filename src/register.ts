/**
 * Installs the rules of the environment. Nothing is exported: `node --import tcp-keepalive/register`.
 *
 * @module tcp-keepalive/register
 */
import { writeSync } from 'node:fs';
import { debugLine, installRules, rulesOfEnvironment } from '#core';

// Written past process.stderr, whose errors would end the process, and which may be piped away.
function print(line: string): void {
  try {
    writeSync(2, `tcp-keepalive: ${line}\n`);
  } catch {
    // Nobody reads it.
  }
}

// Captured now, so that fake timers cannot hold the lines back.
const soon = globalThis.setImmediate;

function start(): void {
  const rules = rulesOfEnvironment(process.env);
  const isDebugging = process.env.TCP_KEEPALIVE_DEBUG === '1';
  if (rules.length === 0 && !isDebugging) return;
  installRules(
    rules,
    isDebugging
      ? (socket, connection, rule) => {
          // Drivers set theirs at 'connect', too.
          soon(() => print(debugLine(socket, connection, rule)));
        }
      : undefined,
  );
}

try {
  start();
} catch (error) {
  print(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
