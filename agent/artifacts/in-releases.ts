import type { Faults } from '../faults.ts';
import type { Log } from '../log.ts';
import { checkFreeSpace } from './download/limits.ts';
import { isBadIndex, isDamage } from './failures.ts';
import { backUp } from './files/backup.ts';
import { listPaths } from './git/byte-paths.ts';
import type { Git } from './git/git.ts';
import { isOurs, type Repository, removeDebris, renewIndex, repositoryIn } from './git/repository.ts';
import type { Job, Layout, Site } from './layout.ts';
import { placeOf, readReleaseLink } from './releases/release-link.ts';
import { openReleases, type Releases } from './releases/releases.ts';
import type { Wish } from './wish.ts';

/**
 * The layout where each commit has a folder of its own, and the path is a symbolic link to one of them.
 *
 * @param options - `keep`: how many good releases; `hasBackup`: what is there before the first one is copied first
 */
export function createInReleases(options: {
  git: Git;
  keep: number;
  hasBackup: boolean;
  log: Log;
  faults: Faults;
}): Layout {
  const { git, keep, hasBackup, log, faults } = options;

  async function open({ path }: Pick<Wish, 'path'>, job: Job): Promise<Site> {
    const releases = await openReleases({ path, keep, log, faults });
    const repository = repositoryIn(releases.repositoryFolder, git, job);
    if (!(await isOurs(repository.folder))) await releases.clearRepository();

    async function place(commit: string): Promise<void> {
      if (hasBackup && (await releases.current()) === null) await backUp(path, { log, faults, signal: job.signal });
      await releases.write(repository, commit, job);
      await releases.switchTo(commit);
    }

    async function accept(): Promise<void> {
      const commit = await releases.current();
      if (commit === null) return;
      await releases.markGood(commit);
      await releases.prune(repository);
    }

    async function failed(error: unknown): Promise<boolean> {
      if (!(await isOurs(repository.folder))) await releases.clearRepository();
      await removeDebris(repository.folder);
      if (isBadIndex(error)) {
        await renewIndex(repository);
        return !job.signal.aborted;
      }
      if (!isDamage(error)) return false;
      log.warn({ event: 'artifact.damaged', path, err: error }, 'the clone is damaged, and will be made again');
      await releases.clearRepository();
      return !job.signal.aborted;
    }

    /** An earlier run may have been killed after it rejected what is served. */
    async function finishRollBack(): Promise<void> {
      const commit = await releases.current();
      const reason = commit === null ? null : await releases.rejectionOf(commit);
      if (commit === null || reason === null || (await releases.lastGood()) === null) return;
      await releases.rollBack(commit, reason);
    }

    await finishRollBack();
    return {
      repository,
      placed: releases.current,
      rejectionOf: releases.rejectionOf,
      checkRoom: ({ bytes, files }) => checkFreeSpace(repository.folder, bytes, files),
      place,
      accept,
      takeBack: releases.rollBack,
      drift: () => driftIn(releases, repository),
      restore: (paths) => restoreIn(releases, repository, paths),
      failed,
    };
  }

  return {
    hasReleases: true,
    isInPlace: async (path) => (await readReleaseLink(await placeOf(path))) !== null,
    open,
    // Opening the releases does it.
    tidyUp: async () => {},
  };
}

/** The tracked files of the release in use that differ from its commit. */
async function driftIn(releases: Releases, repository: Repository): Promise<string[]> {
  const environment = await workTreeIn(releases, repository);
  if (environment === null) return [];
  await repository.run(['update-index', '-q', '--refresh'], { environment }).catch(() => '');
  return await listPaths(repository, ['diff-files', '-z', '--name-only', '--no-ext-diff'], environment);
}

async function restoreIn(releases: Releases, repository: Repository, paths: readonly string[]): Promise<void> {
  const environment = await workTreeIn(releases, repository);
  if (environment === null || paths.length === 0) return;
  const input = paths.map((path) => `${path}\0`).join('');
  await repository.run(['checkout-index', '--force', '-z', '--stdin'], { environment, input, inBytes: true });
}

async function workTreeIn(releases: Releases, repository: Repository) {
  const commit = await releases.current();
  return commit === null ? null : await releases.workTree(repository, commit);
}
