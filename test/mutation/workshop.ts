import { type ChildProcess, fork } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Outcome, Task } from './runner.ts';

const leftOut = new Set(['node_modules', '.git', 'dist', 'docs-dist', 'coverage']);

/** A copy of the project, with a process that tries mutants in it. */
export class Workshop {
  readonly #copy = mkdtempSync(join(tmpdir(), 'mutation-'));
  #runner: ChildProcess | undefined;

  constructor(root: string) {
    cpSync(root, this.#copy, {
      recursive: true,
      filter: (path) => !leftOut.has(relative(root, path).split('/').at(-1) ?? ''),
    });
    for (const path of ['node_modules', 'test/drivers/more/node_modules']) {
      if (existsSync(join(root, path))) symlinkSync(join(root, path), join(this.#copy, path));
    }
  }

  /** Runs tests with a mutant in place, or without one. What takes longer than `timeout` is ended. */
  async try(task: Task, timeout: number): Promise<Outcome | 'timeout'> {
    this.#runner ??= await this.#start();
    const file = task.mutant === undefined ? undefined : join(this.#copy, task.mutant.file);
    const text = file === undefined ? '' : readFileSync(file, 'utf8');
    this.#runner.send(task);
    const outcome = await answerOf(this.#runner, timeout);
    if (outcome === 'timeout') {
      this.#end();
      if (file !== undefined) writeFileSync(file, text);
    }
    return outcome;
  }

  close(): void {
    this.#end();
    rmSync(this.#copy, { recursive: true, force: true });
  }

  async #start(): Promise<ChildProcess> {
    const script = join(this.#copy, 'test/mutation/runner.ts');
    // A process group of its own, so that vitest's processes end with it.
    const runner = fork(script, {
      cwd: this.#copy,
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    if ((await answerOf(runner, 60_000)) === 'timeout')
      throw new Error('Expected vitest to start within 60 s');
    return runner;
  }

  #end(): void {
    const pid = this.#runner?.pid;
    this.#runner = undefined;
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  }
}

function answerOf(runner: ChildProcess, timeout: number): Promise<Outcome | 'timeout'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(() => resolve('timeout')), timeout);
    const onMessage = (outcome: Outcome) => settle(() => resolve(outcome));
    const onExit = () => settle(() => reject(new Error('The process that runs the tests has ended')));
    const settle = (how: () => void) => {
      clearTimeout(timer);
      runner.off('message', onMessage).off('exit', onExit);
      how();
    };
    runner.on('message', onMessage).on('exit', onExit);
  });
}
