import { pathsBetween } from '../git/byte-paths.ts';
import { GitError } from '../git/git.ts';
import { identityEnvironment, ownIdentity } from '../git/identity.ts';
import { readRefs, writeRefs } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import { keepReplaced } from './replaced.ts';
import { isRelatedTo, type OwnIndex, takeTree, treeWith, withIndexOf } from './snapshot.ts';

const attemptsAtMost = 3;

/** Files in place that are to be others. */
export interface Change {
  /** What differs from this commit in place is a local change. */
  readonly origin: string;
  /** The commit whose files they become. */
  readonly version: string;
  /** Which they are; whatever is above or below them gives way, and no other file is touched. */
  readonly paths: readonly string[];
  /** Those with local changes at, above or below them are left as they are. */
  readonly sparesLocal?: boolean;
  /** The commit that is in place then. */
  readonly to: string;
}

/** What became of local changes. */
export interface Changed {
  /** Locally changed files that are others now. */
  readonly replaced: readonly string[];
  /** The ref those can be had back from; null when there are none. */
  readonly savedAs: string | null;
  /** Paths that were spared. */
  readonly kept: readonly string[];
}

/**
 * Changes files in place, whatever has been done to them: first saves in a ref what will be lost. Symbolic links are not
 * followed. When somebody changes such a file meanwhile, none is touched, and it begins again.
 *
 * @throws GitError
 */
export async function changeFiles(repository: Repository, change: Change): Promise<Changed> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await changeOnce(repository, change);
    } catch (error) {
      if (!isRefusedByFiles(error)) throw error;
      await writeRefs(repository, { placing: null });
      if (attempt === attemptsAtMost) throw error;
    }
  }
}

async function changeOnce(repository: Repository, change: Change): Promise<Changed> {
  return await withIndexOf(repository, change.origin, async (index) => {
    const step = await prepare(repository, index, change);
    await startPlacing(repository, { ...step, to: change.to });
    await switchFiles(repository, index, step);
    await endPlacing(repository, change.to);
    return step.changed;
  });
}

/**
 * Remembers, until `endPlacing`, that files are being changed: when a kill comes over it, nobody takes half a file for a
 * local change.
 *
 * @param step - `before`, `after`: commits or trees that have the files as they are and as they are to be; `to`: what is
 *   in place then
 */
export async function startPlacing(
  repository: Repository,
  { before, after, to }: { before: string; after: string; to: string },
): Promise<void> {
  const placing = await commitOf(repository, `${after}^{tree}`, { parents: [before, to], message: `Placing ${to}` });
  await writeRefs(repository, { placing });
}

/** All files are as `startPlacing` said. */
export async function endPlacing(repository: Repository, to: string): Promise<void> {
  await repository.run(['reset', '--mixed', '--quiet', to]);
  await writeRefs(repository, { placed: to, placing: null });
}

/** Brings a placing to its end that an earlier run was killed over; null when there was none. */
export async function finishPlacing(repository: Repository): Promise<Changed | null> {
  const placing = (await readRefs(repository)).get('placing');
  if (placing === undefined) return null;
  const [origin = '', to = ''] = (await repository.run(['rev-parse', `${placing}^1`, `${placing}^2`])).split('\n');
  const paths = await pathsBetween(repository, origin, placing);
  const changed = await withIndexOf(repository, origin, async (index) => {
    const step = await prepare(repository, index, { origin, version: placing, paths, to });
    await switchFiles(repository, index, step);
    return step.changed;
  });
  await endPlacing(repository, to);
  return changed;
}

/** Whether files in place are not as git thought, so that it has not touched any. */
export function isRefusedByFiles(error: unknown): boolean {
  return error instanceof GitError && refusals.test(error.message);
}

const refusals = /Cannot merge|not uptodate|would (be overwritten|be removed|lose)|in the middle of a merge/;

interface Step {
  /** A commit of the files as they are. */
  readonly before: string;
  /** A tree of the files as they are to be. */
  readonly after: string;
  readonly changed: Changed;
}

async function prepare(repository: Repository, index: OwnIndex, change: Change): Promise<Step> {
  const { origin, version, paths, sparesLocal = false, to } = change;
  const { tree } = await takeTree(repository, index, { untracked: isRelatedTo(paths) });
  const isLocal = isRelatedTo(await pathsBetween(repository, origin, tree));
  const kept = sparesLocal ? paths.filter(isLocal) : [];
  const wanted = sparesLocal ? paths.filter((path) => !isLocal(path)) : paths;
  const after = await treeWith(repository, tree, { paths: wanted, other: version });
  const before = await commitOf(repository, tree, { parents: [origin], message: `Local state before ${to}` });
  const replaced = (await pathsBetween(repository, tree, after)).filter(isLocal);
  const savedAs = replaced.length === 0 ? null : await keepReplaced(repository, before);
  return { before, after, changed: { replaced, savedAs, kept } };
}

async function switchFiles({ run }: Repository, { environment }: OwnIndex, { before, after }: Step): Promise<void> {
  await run(['read-tree', '-m', '-u', before, after], { environment });
}

/** A commit of a tree, under no name yet. */
export async function commitOf(
  { run }: Repository,
  tree: string,
  { parents, message }: { parents: readonly string[]; message: string },
): Promise<string> {
  const args = ['commit-tree', ...parents.flatMap((parent) => ['-p', parent]), '-m', message, tree];
  return (await run(args, { environment: identityEnvironment({ author: ownIdentity }) })).trim();
}
