import type { Reporter, TestModule } from 'vitest/node';

/** Ends the output of a run with the number of tests that were tried more than once, after their names. */
export default class RetriedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const retried = modules
      .flatMap(({ children }) => [...children.allTests()])
      .filter((test) => (test.diagnostic()?.retryCount ?? 0) > 0);
    for (const { module, fullName } of retried)
      console.log(`retried: ${module.relativeModuleId} > ${fullName}`);
    console.log(`retried: ${retried.length}`);
  }
}
