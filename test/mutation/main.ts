/**
 * Changes one place of the sources at a time and fails if no test notices: `npm run test:mutation`.
 *
 * The operators are in `mutants.ts`: `<` and `<=`, `===` and `!==`, `&&` and `||`, `+` and `-` and their
 * like become each other; `a ?? b` becomes `b`; `!x` and bare conditions are inverted; `true` and `false`
 * are swapped; a number grows by 1, unless it follows `??` or is the size of a new buffer; `min`, `ceil` and
 * `some` become `max`, `floor` and `every`; a statement that is a call is removed. Types, comments and the
 * words of messages stay as they are.
 *
 * A mutant first meets the test file that mirrors its own, then the file that noticed the last one, then the
 * other tests of its room, the quick ones first: a room's own tests must notice it. What survives is in
 * `survivors.ts` with the reason, or the script fails.
 *
 * After `--`: names of rooms or files, such as `options` or `src/predict/idle.ts`, `--list` to print the
 * mutants only, and `--workers 1` if the machine has other work.
 */
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Mutant, mutantsOf } from './mutants.ts';
import type { Outcome, Task } from './runner.ts';
import { type Survivor, survivors } from './survivors.ts';
import { Workshop } from './workshop.ts';

type Verdict = 'killed' | 'timed out' | 'survived';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const MOST_SURVIVORS = 5;

const rooms = ['options', 'predict', 'kernel', 'sockets'];

const { positionals, values } = parseArgs({
  options: { list: { type: 'boolean' }, workers: { type: 'string', default: '2' } },
  allowPositionals: true,
});
const files = rooms.flatMap(filesOf).filter(isAskedFor);
const mutants = mutantsOf(root, files);

if (values.list) {
  for (const mutant of mutants) console.log(shown(mutant));
  console.log(`${mutants.length} mutants`);
} else {
  process.exitCode = await runAll();
}

function filesOf(room: string): string[] {
  return readdirSync(`${root}/src/${room}`)
    .sort()
    .map((name) => `src/${room}/${name}`);
}

function isAskedFor(file: string): boolean {
  return (
    positionals.length === 0 || positionals.some((name) => file === name || file.startsWith(`src/${name}/`))
  );
}

async function runAll(): Promise<number> {
  const workshops = Array.from({ length: Number(values.workers) }, () => new Workshop(root));
  const close = () => {
    for (const workshop of workshops.splice(0)) workshop.close();
  };
  process
    .once('SIGINT', () => process.exit(130))
    .once('SIGTERM', () => process.exit(143))
    .once('exit', close);
  const limits = await expectGreen(workshops[0] as Workshop);
  const survived = await tryAll(workshops, limits);
  close();
  return judge(survived);
}

/** Tries each mutant in whichever copy of the project is free. */
async function tryAll(
  workshops: readonly Workshop[],
  limits: ReadonlyMap<string, number>,
): Promise<Mutant[]> {
  const started = performance.now();
  const queue = [...mutants];
  const verdicts: Verdict[] = [];
  const survived: Mutant[] = [];
  const work = async (workshop: Workshop) => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const { file } = mutant;
      const outcome = await workshop.try({ mutant, ...testsFor(file) }, limits.get(roomOf(file)) ?? 0);
      const verdict = verdictOf(outcome);
      if (verdict === 'survived') survived.push(mutant);
      verdicts.push(verdict);
      const by = typeof outcome === 'object' && outcome.failed ? ` by "${outcome.failed}"` : '';
      console.log(`${verdicts.length}/${mutants.length} ${verdict}${by}: ${shown(mutant)}`);
    }
  };
  await Promise.all(workshops.map(work));
  const count = (verdict: Verdict) => `${verdicts.filter((each) => each === verdict).length} ${verdict}`;
  const minutes = ((performance.now() - started) / 60_000).toFixed(1);
  console.log(
    `\n${mutants.length} mutants in ${minutes} minutes: ${count('killed')}, ${count('timed out')}, ${count('survived')}`,
  );
  return survived;
}

/** Runs the tests without a mutant: one that fails would kill every mutant. How long they take limits a mutant. */
async function expectGreen(workshop: Workshop): Promise<Map<string, number>> {
  const limits = new Map<string, number>();
  for (const room of new Set(files.map(roomOf))) {
    const started = performance.now();
    const outcome = await workshop.try({ mirror: [], room: `test/${room}/` }, 600_000);
    if (outcome === 'timeout') throw new Error(`Expected the tests of ${room} to end, without a mutant`);
    if (outcome.failed !== undefined)
      throw new Error(`Expected the tests to pass without a mutant, got ${outcome.failed}`);
    limits.set(room, 20_000 + 2 * (performance.now() - started));
  }
  return limits;
}

function roomOf(file: string): string {
  return file.split('/')[1] ?? '';
}

/** The test files for a source file. Those that mirror it are the likeliest to notice. */
function testsFor(file: string): Pick<Task, 'mirror' | 'room'> {
  const room = `test/${roomOf(file)}/`;
  const stem = room + basename(file, '.ts');
  return { mirror: [`${stem}.test.ts`, `${stem}/`], room };
}

/** Compares what survived with what is known to, and returns the exit code. */
function judge(survived: readonly Mutant[]): number {
  const known = survivors.filter(({ file }) => files.includes(file));
  const isSame = (one: Survivor | Mutant, other: Survivor | Mutant) =>
    one.file === other.file && one.before === other.before && one.after === other.after;
  const unknown = survived.filter((mutant) => !known.some((each) => isSame(each, mutant)));
  const gone = known.filter((each) => !survived.some((mutant) => isSame(each, mutant)));
  for (const mutant of unknown) console.log(`No test notices ${shown(mutant)}`);
  for (const { file, before, after } of gone)
    console.log(`survivors.ts has what survives no more: ${file}: ${before} -> ${after}`);
  if (survivors.length > MOST_SURVIVORS)
    console.log(`Expected at most ${MOST_SURVIVORS} survivors in survivors.ts, got ${survivors.length}`);
  return unknown.length + gone.length === 0 && survivors.length <= MOST_SURVIVORS ? 0 : 1;
}

function verdictOf(outcome: Outcome | 'timeout'): Verdict {
  if (outcome === 'timeout') return 'timed out';
  return outcome.failed === undefined ? 'survived' : 'killed';
}

function shown({ file, line, operator, before, after }: Mutant): string {
  return `${file}:${line} ${operator}: ${before} -> ${after}`;
}
