import assert from 'node:assert/strict';
import { connectedPair } from '../../test/helpers/connected-pair.ts';
import { report } from '../support/child.ts';
import { contender, type Job } from '../support/contenders.ts';
import { interleave } from '../support/interleave.ts';
import { library } from '../support/library.ts';

const ROUNDS = 400;
const other = { enable: false, initialDelay: 60_000, interval: 30_000, count: 9, userTimeout: 60_000 };

/** `compare.ts <job> <contender>...`: times contenders on one socket in this one process. */
const [job, ...names] = process.argv.slice(2) as [Job, ...string[]];
const { client } = await connectedPair();
const works = names.map((name) => {
  const work = contender(job, name);
  if (job === 'set') assertThatItSets(name, () => work(client));
  return [name, () => work(client)] as const;
});
report(interleave(new Map(works), ROUNDS));

/** What does not do the work would win. */
function assertThatItSets(name: string, work: () => unknown): void {
  library.setKeepAlive(client, other);
  work();
  const read = library.getKeepAlive(client);
  // Node alone sets no more than this of what was asked.
  if (name === 'node') assert.equal(read.enable, true);
  else {
    const { failOnUnreachable: _off, ...all } = read;
    assert.deepEqual({ ...all, maxRetransmitInterval: 'auto' }, library.presets.database, name);
  }
}
