import { reapLostSockets } from 'tcp-keepalive';
import { afterAll, beforeAll } from 'vitest';
import '../ending.test.ts';

// Whatever is true of the end of a connection is true while a reaper looks at it too: it must not clear the error.
let stop = () => {};
beforeAll(() => {
  stop = reapLostSockets({ every: 100 });
});
afterAll(() => stop());
