import { rm } from 'node:fs/promises';
import type { Faults } from '../faults.ts';
import type { Log } from '../log.ts';
import { bytesToMove, checkFreeSpace, type TreeSize } from './download/limits.ts';
import { isBadIndex, isDamage } from './failures.ts';
import { backUp } from './files/backup.ts';
import { makeStaging, moveIn, removeStagings } from './files/staging.ts';
import type { Git } from './git/git.ts';
import { configure, isOurs, readCommits, removeDebris, renewIndex, repositoryIn } from './git/repository.ts';
import type { Job, Layout, Site } from './layout.ts';
import { readDrift, restoreDrift } from './local/drift.ts';
import { type DriftPolicy, placeCommit } from './place/place.ts';
import { takeOver } from './place/taking-over.ts';
import { leaveReleases } from './releases/release-leave.ts';
import type { Wish } from './wish.ts';

/**
 * The layout where files lie at the path itself, with `.git` among them. What was there before stays, but for files of the
 * same name. A first clone is fetched into a staging folder, and moved in when it is whole.
 *
 * @param options - `hasBackup`: what is there before the first commit is copied first
 */
export function createInPlace(options: {
  git: Git;
  stateDir: string;
  drift: DriftPolicy;
  hasBackup: boolean;
  log: Log;
  faults: Faults;
}): Layout {
  const { git, stateDir, drift, hasBackup, log, faults } = options;
  /** Path to staging folder. */
  const staged = new Map<string, string>();
  /** Paths whose clone in place has lost something; the next fetch makes another. */
  const damaged = new Set<string>();

  async function folderFor(path: string): Promise<string> {
    const staging = staged.get(path);
    if (staging !== undefined) return staging;
    if (!damaged.has(path) && (await isOurs(path))) return path;
    const fresh = await makeStaging(path, stateDir);
    staged.set(path, fresh);
    return fresh;
  }

  async function open({ path, url }: Pick<Wish, 'path' | 'url'>, job: Job): Promise<Site> {
    const repository = repositoryIn(await folderFor(path), git, job);
    const inPlace = repositoryIn(path, git, job);

    async function place(commit: string): Promise<void> {
      const staging = staged.get(path);
      if (staging !== undefined) {
        if (damaged.has(path)) await takeOver(repository, { damaged: inPlace, commit, drift, log });
        if (hasBackup) await backUp(path, { log, faults, signal: job.signal });
        await moveIn(staging, path, { stateDir, log });
        staged.delete(path);
        damaged.delete(path);
      }
      await configure(inPlace, url);
      await placeCommit(inPlace, commit, { log, drift });
    }

    /** The clone goes with the files: a mount point has a disk of its own. */
    async function checkRoom({ bytes, files }: TreeSize): Promise<void> {
      const staging = staged.get(path);
      const cloneBytes = staging === undefined ? 0 : await bytesToMove(staging, path);
      await checkFreeSpace(path, bytes + cloneBytes, files);
    }

    async function failed(error: unknown): Promise<boolean> {
      const staging = staged.get(path);
      if (staging !== undefined) {
        staged.delete(path);
        await rm(staging, { recursive: true, force: true });
        return false;
      }
      await removeDebris(path);
      if (isBadIndex(error)) {
        await renewIndex(inPlace);
        return !job.signal.aborted;
      }
      if (!isDamage(error)) return false;
      log.warn({ event: 'artifact.damaged', path, err: error }, 'the clone is damaged, and will be made again');
      damaged.add(path);
      return !job.signal.aborted;
    }

    return {
      repository,
      // Of a clone that takes the place of a damaged one, nothing is.
      placed: async () => ((await isOurs(repository.folder)) ? (await readCommits(repository)).placed : null),
      rejectionOf: async () => null,
      checkRoom,
      place,
      accept: async () => {},
      takeBack: async () => null,
      drift: async () => (repository.folder === path ? await readDrift(inPlace) : []),
      restore: async (paths) => void (await restoreDrift(inPlace, paths)),
      failed,
    };
  }

  return {
    hasReleases: false,
    isInPlace: isOurs,
    open,
    async tidyUp(path) {
      await removeStagings(path, stateDir);
      staged.delete(path);
      // The configuration was another one before.
      await leaveReleases(path, { log, faults });
      if (await isOurs(path)) await removeDebris(path);
    },
  };
}
