import { createGit, type Git } from '../../agent/artifacts/git/git.ts';
import { readDrift, restoreDrift } from '../../agent/artifacts/local/drift.ts';
import { placeCommit } from '../../agent/artifacts/place/place.ts';
import { createFaults, killSelf } from '../../agent/faults.ts';
import { createLog } from '../../agent/log.ts';
import { cloneOf, fetch, look, type Place } from './local-changes.ts';

/**
 * A process that looks at a place once, to be killed: `look-process.ts WORK TARGET URL [DURING]`. It passes the point
 * `spawn` at each call of git, and dies shortly after the begin of the call with the number DURING.
 */
const [work = '', target = '', url = '', during = '0'] = process.argv.slice(2);
const faults = createFaults(process.env);
const real = createGit({ protocols: ['file'], environment: process.env });
let calls = 0;
const git: Git = {
  ...real,
  run: async (args, call) => {
    faults('spawn');
    calls += 1;
    if (calls === Number(during)) setTimeout(killSelf, 3);
    return await real.run(args, call);
  },
};
await doWork(work, { target, url, git });

/** What the agent does at a look, by the policy for local changes. */
async function doWork(policy: string, place: Place): Promise<void> {
  const clone = cloneOf(place);
  const log = createLog({ level: 'silent', pretty: false, colour: false });
  if (policy === 'commit') await look(place);
  if (policy === 'keep') await placeCommit(clone, await fetch(clone, place), { log, drift: 'keep' });
  if (policy === 'restore') await restoreDrift(clone, await readDrift(clone));
}
