import { renameSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Faults, noFaults } from '../../faults.ts';
import type { Log } from '../../log.ts';
import { flushFolder } from '../files/durable.ts';
import { isOurs, type Repository } from '../git/repository.ts';
import { forgetReleases, type WorkTree, workTreeOf, writeRelease } from './release-files.ts';
import {
  isCommit,
  isFolder,
  isThere,
  placeOf,
  readReleaseLink,
  releaseLinkOf,
  releasesFolderOf,
  releasesRepositoryOf,
} from './release-link.ts';
import { readRecord, withGood, withRejected, writeRecord } from './release-record.ts';
import { checkPossible, impossible, ReleasesImpossibleError } from './releases-possible.ts';

/**
 * The releases of one path: each commit in a folder of its own, and the path a symbolic link to one of them. All of it
 * is on disk, so that the agent may be killed between any two steps. One job at a time.
 */
export interface Releases {
  /** Where the link is, or will be: the path, unless an operator made that a link to somewhere else. */
  readonly place: string;
  /** For the clone that releases are written from; the folder is there, the clone may not be. */
  readonly repositoryFolder: string;
  /** Where the release of a commit is, or would be. */
  folderOf(commit: string): string;
  /** The commit that is served; null when it is not a release of ours, or its folder is gone. */
  current(): Promise<string | null>;
  /** Empties the folder for the clone: it holds half a clone, or a damaged one. */
  clearRepository(): Promise<void>;
  /** Writes the release of a commit; nothing is done when it is there. What is served stays as it is. */
  write(repository: Repository, commit: string, job: { signal: AbortSignal }): Promise<void>;
  /**
   * Serves a release that was written, from one moment to the next. The first time, a folder that is at the place is
   * moved to `original` among the releases.
   *
   * @throws {@link ReleasesImpossibleError}
   */
  switchTo(commit: string): Promise<void>;
  /** The commit serves well: it is the one to return to. */
  markGood(commit: string): Promise<void>;
  /** The commit is not to be tried again. */
  reject(commit: string, reason: string): Promise<void>;
  /** Why a commit is not to be tried again; null when it may be. */
  rejectionOf(commit: string): Promise<string | null>;
  /** The commit that was found good last, and can be served; null when there is none. */
  lastGood(): Promise<string | null>;
  /**
   * Rejects a commit, and serves the last good one, which it returns. Null: there is none, nothing moved. Safe to do
   * again, when what is served is the good one already.
   */
  rollBack(commit: string, reason: string): Promise<string | null>;
  /** Removes all releases but the newest `keep` good ones, the current one and the last good one. */
  prune(repository: Repository): Promise<void>;
  /** How git sees what has changed in a release; null when the clone does not know its commit any more. */
  workTree(repository: Repository, commit: string): Promise<WorkTree | null>;
}

/**
 * Opens the releases of a path, and completes or takes back what an agent that was killed left half done.
 *
 * @param options - `keep`: how many good ones to keep, from 1
 * @throws {@link ReleasesImpossibleError} where there can be no link; nothing has been changed then
 */
export async function openReleases(options: {
  path: string;
  keep: number;
  log: Log;
  faults?: Faults;
}): Promise<Releases> {
  const { path, keep, log, faults = noFaults } = options;
  const place = await placeOf(path);
  // A link that came later is no operator's: what it leads to would be set aside as what was there before.
  if (place !== path && (await isOurs(releasesRepositoryOf(path))))
    throw new ReleasesImpossibleError(path, `somebody has made it a link to ${place}`);
  const folder = releasesFolderOf(place);
  const repositoryFolder = releasesRepositoryOf(place);
  await checkPossible(place, folder);
  await mkdir(repositoryFolder, { recursive: true, mode: 0o700 });
  await tidyUp(place, log);

  function folderOf(commit: string): string {
    if (!isCommit(commit)) throw new Error(`not a commit: ${commit.slice(0, 80)}`);
    return join(folder, commit);
  }

  async function current(): Promise<string | null> {
    const commit = await readReleaseLink(place);
    return commit !== null && (await isFolder(folderOf(commit))) ? commit : null;
  }

  async function switchTo(commit: string): Promise<void> {
    if ((await current()) === commit) return;
    if (!(await isFolder(folderOf(commit)))) throw new Error(`there is no release of ${commit}`);
    const next = nextIn(place);
    await rm(next, { force: true });
    await symlink(releaseLinkOf(place, commit), next);
    await flushFolder(folder);
    faults('releases.link');
    if (await isFolder(place)) await replaceFolder(place, { log, faults });
    else await rename(next, place).catch(impossible(place));
    faults('releases.switched');
    await flushFolder(dirname(place));
  }

  async function lastGood(): Promise<string | null> {
    const { good } = await readRecord(folder, log);
    for (const commit of good.toReversed()) if (await isFolder(folderOf(commit))) return commit;
    return null;
  }

  async function reject(commit: string, reason: string): Promise<void> {
    await writeRecord(folder, withRejected(await readRecord(folder, log), commit, reason));
    faults('releases.rejected');
  }

  async function rejectionOf(commit: string): Promise<string | null> {
    const { rejected } = await readRecord(folder, log);
    return rejected.find((other) => other.commit === commit)?.reason ?? null;
  }

  return {
    ...{ place, repositoryFolder, folderOf, current, switchTo, lastGood, reject, rejectionOf },

    async clearRepository() {
      await rm(repositoryFolder, { recursive: true, force: true });
      await mkdir(repositoryFolder, { mode: 0o700 });
    },

    async write(repository, commit, { signal }) {
      const release = folderOf(commit);
      if (!(await isFolder(release))) await writeRelease(repository, release, { like: place, signal, faults });
    },

    async markGood(commit) {
      const record = await readRecord(folder, log);
      if (record.good.at(-1) === commit) return;
      await writeRecord(folder, withGood(record, commit));
      faults('releases.good');
    },

    async rollBack(commit, reason) {
      if ((await rejectionOf(commit)) === null) await reject(commit, reason);
      const to = await lastGood();
      if (to !== null) await switchTo(to);
      return to;
    },

    async prune(repository) {
      const { good } = await readRecord(folder, log);
      const kept = new Set(
        [...good.slice(-keep), await lastGood(), await current()].filter((commit) => commit !== null),
      );
      const old = (await readdir(folder)).filter((name) => isCommit(name) && !kept.has(name));
      for (const commit of old) await remove(folder, commit, faults);
      await forgetReleases(repository, kept);
      faults('releases.pruned');
      const record = await readRecord(folder, log);
      if (!record.good.every((commit) => kept.has(commit)))
        await writeRecord(folder, { ...record, good: record.good.filter((commit) => kept.has(commit)) });
    },

    workTree: async (repository, commit) => await workTreeOf(repository, folderOf(commit)),
  };
}

/** The link that is to be; one step makes it the one that is. */
function nextIn(place: string): string {
  return join(releasesFolderOf(place), 'next');
}

/**
 * No call of Node exchanges a folder and a link in one step: these two are as near as can be, and should we be killed in
 * between, `tidyUp` does the second.
 */
async function replaceFolder(place: string, { log, faults }: { log: Log; faults: Faults }): Promise<void> {
  const original = await freeName(join(releasesFolderOf(place), 'original'));
  try {
    renameSync(place, original);
    faults('releases.aside');
    renameSync(nextIn(place), place);
  } catch (error) {
    impossible(place)(error);
  }
  // An empty folder is not worth keeping; one that is not empty stays.
  const wasEmpty = await rmdir(original).then(
    () => true,
    () => false,
  );
  if (!wasEmpty)
    log.info(
      { event: 'artifact.original-kept', path: place, movedTo: original },
      'what was there before was set aside',
    );
}

async function freeName(wanted: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!(await isThere(name))) return name;
  }
}

/** By way of another name, so that what is half removed is not taken for a release. */
async function remove(folder: string, commit: string, faults: Faults): Promise<void> {
  const removed = join(folder, `removed-${commit}`);
  await rename(join(folder, commit), removed);
  faults('releases.removing');
  await rm(removed, { recursive: true, force: true });
}

async function tidyUp(place: string, log: Log): Promise<void> {
  const folder = releasesFolderOf(place);
  const next = nextIn(place);
  if (await isThere(next)) {
    if (await isThere(place)) await rm(next);
    else {
      await rename(next, place);
      await flushFolder(dirname(place));
      log.info(
        { event: 'artifact.switch-completed', path: place },
        'completed what an agent that was killed had begun',
      );
    }
  }
  const debris = (await readdir(folder)).filter((name) => /^(incoming|left|removed)-|\.new$/.test(name));
  await Promise.all(debris.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}
