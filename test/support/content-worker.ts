import { backUp } from '../../agent/artifacts/files/backup.ts';
import { removeContent } from '../../agent/artifacts/files/remove.ts';
import { createGit } from '../../agent/artifacts/git/git.ts';
import { repositoryIn } from '../../agent/artifacts/git/repository.ts';
import { leaveReleases } from '../../agent/artifacts/releases/release-leave.ts';
import { openReleases } from '../../agent/artifacts/releases/releases.ts';
import { createFaults } from '../../agent/faults.ts';
import { createLog } from '../../agent/log.ts';

/**
 * A process that works on what is served, to be killed: `content-worker.ts PATH ORDER...`, where an order is `serve:COMMIT`,
 * `back:COMMIT` (serve it, then roll back), `backup`, `remove` or `leave`.
 */
const [path = '', ...orders] = process.argv.slice(2);
const log = createLog({ level: 'silent', pretty: false, colour: false });
const faults = createFaults(process.env);
const { signal } = new AbortController();

for (const order of orders) {
  const [what, commit = ''] = order.split(':');
  if (what === 'backup') await backUp(path, { log, signal, faults });
  if (what === 'remove') await removeContent(path, { log, signal, faults });
  if (what === 'leave') await leaveReleases(path, { log, faults });
  if (what === 'serve' || what === 'back') await serve(commit, { good: what === 'serve' });
}

async function serve(commit: string, { good }: { good: boolean }): Promise<void> {
  const releases = await openReleases({ path, keep: 1, log, faults });
  const git = createGit({ protocols: ['file'], environment: process.env });
  const repository = repositoryIn(releases.repositoryFolder, git, { tree: path, signal });
  await releases.write(repository, commit, { signal });
  await releases.switchTo(commit);
  if (good) await releases.markGood(commit);
  else await releases.rollBack(commit, 'the ports did not come back');
  await releases.prune(repository);
}
