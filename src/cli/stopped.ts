/** These signals end a command that would go on. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Tells when this process is to end, which it then has to do by itself. Further signals change nothing: npx hands on the
 * one that the terminal has sent to every process already.
 */
export function untilStopped(): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const stop = () => controller.abort();
  for (const signal of signals) process.on(signal, stop);
  return {
    signal: controller.signal,
    end() {
      // This process ends now, and the second signal may come late.
      if (controller.signal.aborted) return;
      for (const signal of signals) process.off(signal, stop);
    },
  };
}
