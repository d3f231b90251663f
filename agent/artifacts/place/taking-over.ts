import type { Log } from '../../log.ts';
import { listPaths, pathsBetween, shownPaths } from '../git/byte-paths.ts';
import { GitError } from '../git/git.ts';
import { emptyTree, type Repository } from '../git/repository.ts';
import type { DriftPolicy } from './place.ts';
import { commitOf, startPlacing } from './placing.ts';
import { isRelatedTo, treeWith } from './snapshot.ts';

/**
 * Prepares a new clone, still elsewhere, to take the place of a damaged one. Which files were changed locally is not
 * known for sure any more, so all that differ from `commit` are taken for it: once the clone is moved in, the placing
 * that is begun here is brought to its end as after a kill, and saves them first. With `keep` it leaves them alone.
 */
export async function takeOver(
  fresh: Repository,
  { damaged, commit, drift, log }: { damaged: Repository; commit: string; drift: DriftPolicy; log: Log },
): Promise<void> {
  const isSpared = isRelatedTo(drift === 'keep' ? await pathsToSpare(fresh, damaged) : []);
  const kept = (await pathsBetween(fresh, null, commit)).filter(isSpared);
  const tree = await treeWith(fresh, emptyTree, { paths: kept, other: commit });
  // What is the same before and after is touched by no placing.
  const before = await commitOf(fresh, tree, { parents: [], message: `Not known before ${commit}` });
  await startPlacing(fresh, { before, after: commit, to: commit });
  if (kept.length === 0) return;
  const facts = { event: 'artifact.kept', path: damaged.folder, kept: shownPaths(kept.slice(0, 100)) };
  log.warn(facts, 'files that may be locally changed kept, and not updated');
}

/** The index alone says what was changed, and often outlives the objects; without it, all files in place are spared. */
async function pathsToSpare(fresh: Repository, damaged: Repository): Promise<string[]> {
  const others = ['ls-files', '--others', '-z'];
  try {
    await damaged.run(['update-index', '-q', '--unmerged', '--refresh']);
    const changed = ['diff-files', '-z', '--name-only', '--no-renames', '--ignore-submodules=all'];
    return [...(await listPaths(damaged, changed)), ...(await listPaths(damaged, others))];
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    // The new clone has no index yet, so to it all files are others.
    return await listPaths(fresh, others, { GIT_WORK_TREE: damaged.folder });
  }
}
