/**
 * A process that changes one file of a copy of the project at a time and runs tests there. One vitest
 * stays for all mutants, so that each costs no start. The parent ends the process if a mutant never ends.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createVitest } from 'vitest/node';
import { type Mutant, mutated } from './mutants.ts';

/** The tests to try, in groups: a later group runs if no test of an earlier one failed. */
export interface Task {
  readonly mutant?: Mutant;
  readonly groups: readonly (readonly string[])[];
}

/** The first test that failed, if one did. */
export interface Outcome {
  readonly failed?: string;
}

const root = process.cwd();
const vitest = await createVitest('test', {
  root,
  watch: false,
  bail: 1,
  retry: 0,
  maxWorkers: 4,
  // An endless loop that fills an array ends sooner.
  execArgv: ['--max-old-space-size=512'],
  reporters: [{}],
  cache: false,
});
await vitest.standalone();

process.on('message', async ({ mutant, groups }: Task) => {
  if (mutant === undefined) return answer(await firstFailure(groups));
  const file = `${root}/${mutant.file}`;
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, mutated(text, mutant));
  vitest.invalidateFile(file);
  const failed = await firstFailure(groups);
  writeFileSync(file, text);
  vitest.invalidateFile(file);
  answer(failed);
});
process.on('disconnect', () => process.exit());
answer(undefined);

function answer(failed: string | undefined): void {
  process.send?.({ ...(failed !== undefined && { failed }) } satisfies Outcome);
}

async function firstFailure(groups: Task['groups']): Promise<string | undefined> {
  for (const paths of groups) {
    const failed = await run(paths);
    if (failed !== undefined) return failed;
  }
  return undefined;
}

async function run(paths: readonly string[]): Promise<string | undefined> {
  const specifications = (await vitest.globTestSpecifications([...paths])).filter(({ moduleId }) =>
    existsSync(moduleId),
  );
  vitest.state.filesMap.clear();
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  for (const module of testModules) {
    for (const test of module.children.allTests('failed'))
      return `${module.relativeModuleId}: ${test.fullName}`;
    if (module.state() === 'failed') return `${module.relativeModuleId}: ${module.errors()[0]?.message}`;
  }
  return unhandledErrors.length > 0 ? `an unhandled error: ${String(unhandledErrors[0])}` : undefined;
}
