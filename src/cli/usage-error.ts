/** A mistake in the command line, which is answered with one line and exit code 2. */
export class UsageError extends Error {}
