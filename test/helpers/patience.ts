/**
 * How long a test waits for a process, or for what a process does, before it takes it to hang, in
 * milliseconds. It is less than a test's own timeout, so that the test can say what it waited for.
 * On an idle machine nothing takes a tenth of it; with 20 busy processes for each processor some do.
 */
export const PATIENCE = 100_000;
