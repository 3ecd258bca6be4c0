import { afterAll, beforeAll, describe, it } from 'vitest';
import type { RunningServer, TestServer } from './server-process.ts';

/**
 * Tests that need a real server, started once for all of them. `fn` gets a function that returns the server,
 * to be called inside tests and hooks. If it is not installed, see {@link describeWhereInstalled}.
 */
export function describeWithServer(
  name: string,
  server: TestServer,
  fn: (running: () => RunningServer) => void,
): void {
  describeWhereInstalled(name, server, () => fn(startedOnce(server)));
}

/**
 * Tests that start a server themselves, or need a package that may be absent. If it is not installed, they
 * are skipped, and the output says why and what installs it. With `CI=true` they fail instead.
 */
export function describeWhereInstalled(
  name: string,
  needed: Pick<TestServer, 'missing'>,
  fn: () => void,
): void {
  const missing = needed.missing();
  if (missing === undefined) describe(name, fn);
  else if (process.env.CI === 'true') it(name, () => Promise.reject(new Error(missing)));
  else {
    console.warn(`Skipped: ${name}: ${missing}`);
    describe.skip(name, fn);
  }
}

function startedOnce(server: TestServer): () => RunningServer {
  let running: RunningServer | undefined;
  beforeAll(async () => {
    running = await server.start();
  });
  afterAll(() => running?.stop());
  return () => {
    if (running === undefined) throw new Error(`${server.name} is started before the first test`);
    return running;
  };
}
