import { watchStalls } from '../../src/testing/stalls.ts';

// As long as the test file runs: its times begin before an expectation is called.
watchStalls();

export { acknowledged } from '../../src/testing/acknowledged.ts';
export { lastHeard } from '../../src/testing/expect-detection.ts';
export { expectWithin } from '../../src/testing/expect-within.ts';
export { stalledBetween } from '../../src/testing/stalls.ts';
