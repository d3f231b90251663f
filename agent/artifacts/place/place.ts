import type { Log } from '../../log.ts';
import { pathsBetween, shownPaths } from '../git/byte-paths.ts';
import { readHead, readRefs, writeRefs } from '../git/refs.ts';
import { markPlaced, type Repository } from '../git/repository.ts';
import { type Changed, changeFiles, finishPlacing, isRefusedByFiles, startPlacing } from './placing.ts';

/** What becomes of local changes: reported, and replaced where an update touches them; put back; kept, whatever comes. */
export type DriftPolicy = 'report' | 'restore' | 'keep';

/**
 * Makes the files in place those of `commit`. The first time, files of the same name are replaced and others stay. Later
 * local changes stay too, unless the update touches such a file: then they are saved in a ref, and the repository wins,
 * or they are kept, as `drift` says. Safe to do again after a kill.
 */
export async function placeCommit(
  repository: Repository,
  commit: string,
  { log, drift = 'report' }: { log: Log; drift?: DriftPolicy },
): Promise<void> {
  if ((await readRefs(repository)).has('placing')) await finishUpdate(repository, { log });
  const placed = (await readRefs(repository)).get('placed');
  // Nothing is checked out where somebody has begun a branch without a commit.
  const head = await readHead(repository);
  // What was placed may be lost, and local changes be there all the same.
  const origin = head ?? placed;
  if (origin === undefined) await repository.run(['reset', '--hard', '--quiet', commit]);
  else if (head !== commit) return await update(repository, { head, origin, commit, drift, log });
  await markPlaced(repository, commit);
}

/** Brings an update to its end that an earlier run was killed over. To be done before anything else looks at the files. */
export async function finishUpdate(repository: Repository, { log }: { log: Log }): Promise<void> {
  const changed = await finishPlacing(repository);
  if (changed !== null) report(repository, changed, { log });
}

interface Update {
  readonly head: string | null;
  /** What differs from it in place is a local change. */
  readonly origin: string;
  readonly commit: string;
  readonly drift: DriftPolicy;
  readonly log: Log;
}

async function update(repository: Repository, step: Update): Promise<void> {
  if (step.head !== null && step.drift !== 'keep' && (await updateUntouched(repository, step))) return;
  const { origin, commit, drift, log } = step;
  const paths = await pathsBetween(repository, origin, commit);
  const change = { origin, version: commit, paths, sparesLocal: drift === 'keep', to: commit };
  report(repository, await changeFiles(repository, change), { log });
}

/** Whether it could be done without touching a locally changed file; if not, none was touched. */
async function updateUntouched(repository: Repository, { origin, commit }: Update): Promise<boolean> {
  await startPlacing(repository, { before: origin, after: commit, to: commit });
  try {
    // A hook that changed owners or times has not changed files; without this, git takes it so.
    await repository.run(['update-index', '-q', '--unmerged', '--refresh']);
    await repository.run(['reset', '--keep', '--quiet', commit]);
  } catch (error) {
    if (!isRefusedByFiles(error)) throw error;
    return false;
  }
  await writeRefs(repository, { placed: commit, placing: null });
  return true;
}

function report({ folder }: Repository, { replaced, savedAs, kept }: Changed, { log }: { log: Log }): void {
  if (savedAs !== null) {
    const facts = { event: 'artifact.replaced', path: folder, savedAs, replaced: shownPaths(replaced.slice(0, 100)) };
    log.warn(facts, 'local changes saved and replaced');
  }
  if (kept.length > 0) {
    const facts = { event: 'artifact.kept', path: folder, kept: shownPaths(kept.slice(0, 100)) };
    log.warn(facts, 'locally changed files kept, and not updated');
  }
}
