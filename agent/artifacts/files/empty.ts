import { lstat, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Faults } from '../../faults.ts';
import { isFolder, isThere } from '../releases/release-link.ts';
import { copyTree } from './copy.ts';
import type { Mounts } from './mounts.ts';

/**
 * Removes what is in a folder, and leaves the folder. Links are removed, never followed. What is mounted in there has
 * another owner than the artifact: it stays, with all that is in it and the folders that lead to it.
 */
export async function emptyFolder(
  folder: string,
  job: { except: readonly string[]; mounts: Mounts; signal: AbortSignal },
): Promise<void> {
  const { except, mounts, signal } = job;
  for (const name of await readdir(folder)) {
    signal.throwIfAborted();
    const path = join(folder, name);
    if (except.includes(name)) continue;
    const entry = await lstat(path);
    // A link to a mount point is only a link.
    if (!entry.isSymbolicLink() && (await mounts.has(path))) continue;
    if (entry.isDirectory() && (await mounts.hasBelow(path))) await emptyFolder(path, { ...job, except: [] });
    else await rm(path, { recursive: true, force: true });
  }
}

/** How entries are moved; `by`: a folder on the file system they are moved to, for what is half copied. */
interface Move {
  readonly by: string;
  readonly signal: AbortSignal;
  readonly faults: Faults;
}

/**
 * Moves what is in one folder into another, and removes the first. May be repeated after a kill: what is there already
 * was moved by the call before, or was never removed.
 */
export async function moveEntries(from: string, to: string, job: Move): Promise<void> {
  for (const name of await readdir(from)) {
    job.signal.throwIfAborted();
    const [source, target] = [join(from, name), join(to, name)];
    if (!(await isThere(target))) await moveEntry(source, target, job);
    else if ((await isFolder(source)) && (await isFolder(target))) await moveEntries(source, target, job);
    else await rm(source, { recursive: true, force: true });
    job.faults('remove.moved');
  }
  // Where the agent may not write beside the artifact, an empty folder is left.
  await rmdir(from).catch(() => {});
}

/** In one step, to where nothing is; across file systems by way of `by`. */
export async function moveEntry(from: string, to: string, job: Move): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const half = join(job.by, `half-${basename(to)}`);
    await rm(half, { recursive: true, force: true });
    // The backup has only what can be copied: whatever else was there was left out of it.
    await copyTree(from, half, { signal: job.signal, onSkipped: () => {} });
    await rename(half, to);
    await rm(from, { recursive: true, force: true });
  }
}
