import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../log.ts';
import { shownPaths } from '../git/byte-paths.ts';
import { type Identity, identityEnvironment } from '../git/identity.ts';
import { isPartOf, type RefName, readHead, readRefs, writeRefs } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import { finishUpdate } from '../place/place.ts';
import { takeTree, withIndexOf } from '../place/snapshot.ts';

interface CommitJob {
  readonly identity: Identity;
  readonly message: string;
  readonly log: Log;
}

/**
 * Commits all local changes: changed, deleted and new files, but for those that are ignored or belong to another
 * repository. No file in place is touched and no hook is run; the commit is the one in place from now on. Safe to do again
 * after a kill.
 *
 * @returns the newest local commit; null when there is nothing new, or nothing in place yet
 * @throws GitError
 * @see protocol.md 8.4
 */
export async function commitLocal(repository: Repository, job: CommitJob): Promise<string | null> {
  const refs = await readWhole(repository, job);
  const placed = refs.get('placed');
  if (placed === undefined || (await isMerging(repository, job))) return null;
  const tip = refs.get('local') ?? placed;
  const commit = await commitFiles(repository, await endOfLine(repository, tip), job);
  if (commit !== tip) await extendLine(repository, refs, { placed, commit });
  // Also when only a kill has come over it.
  if (commit !== placed) await moveTo(repository, commit);
  return commit === tip ? null : commit;
}

/** What the commits of this instance say, in the spirit of the original. */
export function commitMessage({ tenantId, path }: { tenantId: string; path: string }): string {
  return `Local changes of tenant ${tenantId}, ${path}`;
}

/** With no update half done: half of one would be taken for a local change, and pushed. */
async function readWhole(repository: Repository, job: CommitJob): Promise<ReadonlyMap<RefName, string>> {
  const refs = await readRefs(repository);
  if (!refs.has('placing')) return refs;
  await finishUpdate(repository, job);
  return await readRefs(repository);
}

/** Half a merge is no change to push: whoever began it is to end it. */
async function isMerging({ folder }: Repository, { log }: CommitJob): Promise<boolean> {
  const names = await readdir(join(folder, '.git'));
  const merging = names.filter((name) =>
    /^(MERGE_HEAD|CHERRY_PICK_HEAD|REVERT_HEAD|rebase-merge|rebase-apply)$/.test(name),
  );
  if (merging.length === 0) return false;
  log.warn({ event: 'artifact.merging', path: folder, merging }, 'not committed: somebody is merging here');
  return true;
}

/** Where local commits go on: people commit in place too. Who checked out something else has changed files, no more. */
async function endOfLine(repository: Repository, tip: string): Promise<string> {
  const head = await readHead(repository);
  if (head === null || head === tip) return tip;
  return (await isPartOf(repository, tip, head)) ? head : tip;
}

/** The parent itself when no file differs. */
async function commitFiles(
  repository: Repository,
  parent: string,
  { identity, message, log }: CommitJob,
): Promise<string> {
  const { run, folder } = repository;
  const { tree, leftOut } = await withIndexOf(repository, parent, (index) =>
    takeTree(repository, index, { untracked: 'unignored' }),
  );
  if (tree === (await run(['rev-parse', `${parent}^{tree}`])).trim()) return parent;
  if (leftOut.length > 0) {
    log.warn(
      { event: 'artifact.left-out', path: folder, leftOut: shownPaths(leftOut) },
      'other repositories below, and files that cannot be read, are not committed',
    );
  }
  const environment = identityEnvironment({ author: identity });
  return (await run(['commit-tree', '-p', parent, '-m', message, tree], { environment })).trim();
}

/** In this order: `local` says that there is something to push, and what `base` and `pushing` say is about it. */
async function extendLine(
  repository: Repository,
  refs: ReadonlyMap<RefName, string>,
  { placed, commit }: { placed: string; commit: string },
): Promise<void> {
  if (!refs.has('local')) {
    await writeRefs(repository, { base: placed, ...(refs.has('pushing') && { pushing: null }) });
  }
  await writeRefs(repository, { local: commit });
}

/** The files are those of this commit already. */
async function moveTo(repository: Repository, commit: string): Promise<void> {
  await repository.run(['reset', '--mixed', '--quiet', commit]);
  await writeRefs(repository, { placed: commit });
}
