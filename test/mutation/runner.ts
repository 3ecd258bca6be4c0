/**
 * A process that changes one file of a copy of the project at a time and runs tests there. One vitest
 * stays for all mutants, so that each costs no start. The parent ends the process if a mutant never ends.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createVitest, type TestSpecification } from 'vitest/node';
import { type Mutant, mutated } from './mutants.ts';

/** What to try: the test files of a room, those of `mirror` first. */
export interface Task {
  readonly mutant?: Mutant;
  readonly mirror: readonly string[];
  readonly room: string;
}

/** The first test that failed, if one did. */
export interface Outcome {
  readonly failed?: string;
}

interface Failure {
  readonly file?: string;
  readonly message: string;
}

/** A test file that ends within this many milliseconds is tried before the others. */
const QUICK = 2_500;

const root = process.cwd();
/** How long each test file took when it last passed, in milliseconds. */
const took = new Map<string, number>();
/** The test file that noticed the last mutant of a source file, which is likely to notice the next one. */
const noticed = new Map<string, string>();
const vitest = await createVitest('test', {
  root,
  watch: false,
  bail: 1,
  retry: 0,
  maxWorkers: 4,
  // A test that waits for what a mutant has taken away waits for long on a busy machine.
  testTimeout: 30_000,
  // An endless loop that fills an array ends sooner.
  execArgv: ['--max-old-space-size=512'],
  reporters: [{}],
  cache: false,
});
await vitest.standalone();

process.on('message', async (task: Task) => {
  const { mutant } = task;
  if (mutant === undefined) return answer(await firstFailure(task));
  const file = `${root}/${mutant.file}`;
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, mutated(text, mutant));
  vitest.invalidateFile(file);
  const failed = await firstFailure(task);
  writeFileSync(file, text);
  vitest.invalidateFile(file);
  answer(failed);
});
process.on('disconnect', () => process.exit());
answer(undefined);

function answer(failed: string | undefined): void {
  process.send?.({ ...(failed !== undefined && { failed }) } satisfies Outcome);
}

/** Runs the likeliest tests first. What is not run yet runs if no test failed so far. */
async function firstFailure({ mutant, mirror, room }: Task): Promise<string | undefined> {
  const key = mutant?.file ?? '';
  let left = (await vitest.globTestSpecifications([room])).filter(({ moduleId }) => existsSync(moduleId));
  const groups: ((file: string) => boolean)[] = [
    (file) => mirror.some((path) => file.startsWith(`${root}/${path}`)),
    (file) => file === noticed.get(key),
    (file) => (took.get(file) ?? 0) < QUICK,
    () => true,
  ];
  for (const isInGroup of groups) {
    const group = left.filter(({ moduleId }) => isInGroup(moduleId));
    if (group.length === 0) continue;
    left = left.filter((each) => !group.includes(each));
    const failure = await failureTwice(group);
    if (failure?.file !== undefined) noticed.set(key, failure.file);
    if (failure !== undefined) return failure.message;
  }
  return undefined;
}

/** A timed test may fail on a busy machine, whatever was changed: only one that fails again has noticed something. */
async function failureTwice(group: TestSpecification[]): Promise<Failure | undefined> {
  const failure = await run(group);
  if (failure === undefined) return undefined;
  const inFile = group.filter(({ moduleId }) => failure.file === moduleId);
  const again = inFile.length > 0 ? await run(inFile) : undefined;
  // The first failure ended the run, so that other files have not run yet.
  return again ?? (await run(group));
}

async function run(group: TestSpecification[]): Promise<Failure | undefined> {
  vitest.state.filesMap.clear();
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(group);
  for (const module of testModules) {
    const file = module.moduleId;
    for (const test of module.children.allTests('failed'))
      return { file, message: `${module.relativeModuleId}: ${test.fullName}` };
    if (module.state() === 'failed')
      return { file, message: `${module.relativeModuleId}: ${module.errors()[0]?.message}` };
    if (module.state() === 'passed') took.set(file, module.diagnostic().duration);
  }
  if (unhandledErrors.length > 0) return { message: `an unhandled error: ${String(unhandledErrors[0])}` };
  // A concurrent test that fails ends the run before vitest has noted which one it was.
  const [cut, ...others] = testModules.filter((module) => !['passed', 'skipped'].includes(module.state()));
  if (cut === undefined) return undefined;
  return {
    ...(others.length === 0 && { file: cut.moduleId }),
    message: `${cut.relativeModuleId}: a concurrent test`,
  };
}
