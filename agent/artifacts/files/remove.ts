import { createHash } from 'node:crypto';
import { mkdir, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AgentError, reasonOf } from '../../../state/errors.ts';
import { type Faults, noFaults } from '../../faults.ts';
import type { Log } from '../../log.ts';
import { isOurs } from '../git/repository.ts';
import {
  isFolder,
  isThere,
  placeOf,
  readReleaseLink,
  releasesFolderOf,
  releasesRepositoryOf,
} from '../releases/release-link.ts';
import { backupOf } from './backup.ts';
import { flushFolder } from './durable.ts';
import { emptyFolder, moveEntries, moveEntry } from './empty.ts';
import { type Mounts, readMounts } from './mounts.ts';
import { stagingPrefixOf } from './staging.ts';

interface Job {
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly faults?: Faults;
}

/**
 * Removes what we placed at `path`, whichever layout it has, and puts the backup of what was there before in its place.
 * Only where a clone of ours is; what a mount point has below it stays. An agent that is killed is continued by the next
 * call. Stagings are left to `removeStagings`.
 *
 * @returns whether there was anything to remove
 * @throws {@link ArtifactRemoveError}, the signal's reason
 * @see protocol.md 8.7
 */
export async function removeContent(path: string, job: Job): Promise<boolean> {
  return await reporting(path, job, async () => {
    const faults = job.faults ?? noFaults;
    const place = await placeOf(path);
    const continued = await finish(path, place, job);
    const inPlace = await isOurs(place);
    const asReleases = await isOurs(releasesRepositoryOf(place));
    if (inPlace) await removeFolder(place, { ...job, faults });
    if (asReleases) await removeReleases(place, faults);
    if (inPlace || asReleases) await finish(path, place, job);
    const removed = continued || inPlace || asReleases;
    if (removed) job.log.info({ event: 'artifact.removed', path }, 'the artifact of a tenant has been removed');
    return removed;
  });
}

/**
 * Completes a removal that an agent was killed over; to be called before anything is placed at `path` again.
 *
 * @returns whether there was anything to do
 * @throws {@link ArtifactRemoveError}, the signal's reason
 */
export async function finishRemoval(path: string, job: Job): Promise<boolean> {
  return await reporting(path, job, async () => await finish(path, await placeOf(path), job));
}

/** Something of a tenant who has left is still there. */
export class ArtifactRemoveError extends AgentError {
  override readonly name = 'ArtifactRemoveError';
  readonly code = 'ARTIFACT_REMOVE_FAILED';
  readonly remedy = 'See what keeps the agent from deleting there, and delete the rest by hand or let it try again.';

  constructor(path: string, options: { cause: unknown }) {
    super(`cannot remove the artifact in ${path}`, { ...options, facts: { path, reason: reasonOf(options.cause) } });
  }
}

async function reporting<T>(path: string, { signal }: Job, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new ArtifactRemoveError(path, { cause: error });
  }
}

/** Out of sight in one step, so that nothing half removed is served; where that cannot be, entry by entry. */
async function removeFolder(place: string, job: Required<Job>): Promise<void> {
  const mounts = await readMounts();
  if ((await mounts.has(place)) || (await mounts.hasBelow(place))) return await emptyInPlace(place, mounts, job);
  try {
    await setAside(place, 'content');
    job.faults('remove.aside');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EXDEV'].includes(code)) throw error;
    await emptyInPlace(place, mounts, job);
  }
}

/**
 * The clone goes last: until then this is content of ours, and a later call goes on where this one was killed. What says
 * so afterwards is inside `.git`, where no repository can put a file.
 */
async function emptyInPlace(place: string, mounts: Mounts, { signal, faults }: Required<Job>): Promise<void> {
  await emptyFolder(place, { except: ['.git'], mounts, signal });
  faults('remove.emptied');
  await rename(join(place, '.git', 'cartridge-agent'), emptiedMarkOf(place));
  faults('remove.aside');
}

async function removeReleases(place: string, faults: Faults): Promise<void> {
  await setAside(place, 'releases', releasesFolderOf(place));
  faults('remove.aside');
}

async function setAside(place: string, as: string, from = place): Promise<void> {
  const aside = asideOf(place);
  await mkdir(aside, { recursive: true, mode: 0o700 });
  await rename(from, join(aside, as));
}

async function finish(path: string, place: string, job: Job): Promise<boolean> {
  const backup = (await isFolder(backupOf(path))) ? backupOf(path) : null;
  const wasAside = await finishAside(place, backup, job);
  return (await finishEmptied(place, backup, job)) || wasAside;
}

/** From what was set aside it is seen that the backup is to be put back, and the rest deleted. */
async function finishAside(place: string, backup: string | null, job: Job): Promise<boolean> {
  const { signal, faults = noFaults } = job;
  const aside = asideOf(place);
  if (!(await isFolder(aside))) return false;
  await unlinkRelease(place);
  if (backup !== null && !(await isThere(place))) await moveEntry(backup, place, { by: aside, signal, faults });
  faults('remove.restored');
  await rm(aside, { recursive: true, force: true });
  await flushFolder(dirname(place));
  return true;
}

async function finishEmptied(place: string, backup: string | null, job: Job): Promise<boolean> {
  const { signal, faults = noFaults } = job;
  const gitFolder = join(place, '.git');
  const left = join(place, `${stagingPrefixOf(place)}-removed`);
  if ((await isFolder(gitFolder)) && (await isThere(emptiedMarkOf(place)))) {
    if (backup !== null) await moveEntries(backup, place, { by: gitFolder, signal, faults });
    faults('remove.restored');
    await rename(gitFolder, left);
    faults('remove.renamed');
  }
  if (!(await isFolder(left))) return false;
  await rm(left, { recursive: true, force: true });
  return true;
}

/** A link of ours whose releases are gone. */
async function unlinkRelease(place: string): Promise<void> {
  if ((await readReleaseLink(place)) !== null && !(await isFolder(releasesFolderOf(place)))) await unlink(place);
}

/** For a folder that has to stay where it is: what was in it is gone. */
function emptiedMarkOf(place: string): string {
  return join(place, '.git', 'cartridge-agent-removed');
}

/** Not one of the stagings, which are deleted without further ado. */
function asideOf(place: string): string {
  const id = createHash('sha256').update(place).digest('hex').slice(0, 12);
  return join(dirname(place), `.cartridge-agent-removed-${id}`);
}
