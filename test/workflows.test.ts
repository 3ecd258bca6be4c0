import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const folder = '.github/workflows';
const workflows = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(join(folder, name), 'utf8'),
}));

/** What stands before the jobs of a workflow, and the text of each job. */
function partsOf(text: string): { head: string; jobs: string[] } {
  const [head = '', body = ''] = text.split(/^jobs:\n/m);
  return { head, jobs: body.split(/^(?= {2}[\w-]+:\n)/m).filter((part) => /^ {2}[\w-]/.test(part)) };
}

const uses = workflows.flatMap(({ text }) => text.match(/^.*\buses:.*$/gm) ?? []);

test.each(uses)('a tag can be moved, so an action is named by its commit: %s', (line) => {
  expect(line).toMatch(/^ +(- )?uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
});

test.each(workflows)('the jobs of $name may only read unless they say otherwise', ({ text }) => {
  const { head } = partsOf(text);
  expect(head).toMatch(/^permissions:\n {2}contents: read\n/m);
  expect(head).not.toContain('write');
});

test('one job has a token to publish with, and no code of a dependency runs in it', () => {
  const jobs = workflows.flatMap(({ text }) => partsOf(text).jobs);
  const writing = jobs.filter((job) => /: write(-all)?\b/.test(job));
  expect(writing).toHaveLength(1);
  expect(writing[0]).toMatch(/^ {6}id-token: write$/m);
  const commands = [...(writing[0] ?? '').matchAll(/\brun: (.+)/g)].map(([, command]) => command);
  expect(commands).toEqual([expect.stringMatching(/^npm publish \S+\.tgz --ignore-scripts --provenance /)]);
  expect(writing[0]).not.toContain('checkout');
});
