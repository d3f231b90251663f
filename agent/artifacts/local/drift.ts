import { readRefs } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import { type Changed, changeFiles, finishPlacing } from '../place/placing.ts';
import { readChanged, withIndexOf } from '../place/snapshot.ts';

const pathsAtMost = 10_000;

/**
 * The tracked files that are not as the commit in place has them: other content, type or executable bit, or gone. Owners
 * and times do not matter, and untracked files are none: content that was there before stays.
 *
 * @returns relative, in git's order, the first 10,000; none while nothing, or only half of a commit, is in place
 */
export async function readDrift(repository: Repository): Promise<string[]> {
  const refs = await readRefs(repository);
  const placed = refs.get('placed');
  if (placed === undefined || refs.has('placing')) return [];
  const changed = await withIndexOf(repository, placed, (index) => readChanged(repository, index));
  return changed.slice(0, pathsAtMost);
}

/**
 * Puts files back as the commit in place has them; first saves in a ref what they were. Paths that are not changed, or
 * not tracked, are left as they are. Symbolic links are not followed: one that stands for a folder gives way.
 *
 * @throws GitError
 */
export async function restoreDrift(repository: Repository, paths: readonly string[]): Promise<Changed> {
  await finishPlacing(repository);
  const drift = new Set(await readDrift(repository));
  const wanted = paths.filter((path) => drift.has(path));
  const placed = (await readRefs(repository)).get('placed');
  if (placed === undefined || wanted.length === 0) return { replaced: [], savedAs: null, kept: [] };
  return await changeFiles(repository, { origin: placed, version: placed, paths: wanted, to: placed });
}
