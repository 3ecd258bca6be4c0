const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const READER_GONE = 141;

/**
 * Runs a program that returns its exit code. A Ctrl-C, another signal that asks it to end, or
 * the end of whoever reads its output aborts the program's signal, so that it can put things away. A
 * second Ctrl-C ends it at once.
 */
export async function untilSignal(program: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const interruption = new AbortController();
  let code: number | undefined;
  const interrupt = (exitCode: number) => {
    code ??= exitCode;
    interruption.abort();
  };
  for (const [name, exitCode] of Object.entries(EXIT_CODES)) process.once(name, () => interrupt(exitCode));
  process.stdout.on('error', () => interrupt(READER_GONE));
  try {
    return await program(interruption.signal);
  } catch (error) {
    if (code === undefined) throw error;
    return code;
  }
}
