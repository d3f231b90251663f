import { constants, type Stats } from 'node:fs';
import { chmod, copyFile, lchown, lstat, lutimes, mkdir, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Copies a file, a link or a folder with all that is in it. Owners (where we may give files away), modes, times and links
 * are kept, links are never followed; what neither of the three is (sockets, devices, pipes) is left out, and told.
 *
 * @param to - must not be there
 * @param job - `onSkipped`: is given the path of what was left out
 */
export async function copyTree(
  from: string,
  to: string,
  job: { signal: AbortSignal; onSkipped: (path: string) => void },
): Promise<void> {
  job.signal.throwIfAborted();
  const entry = await lstat(from);
  if (entry.isSymbolicLink()) await symlink(await readlink(from), to);
  else if (entry.isFile()) await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  else if (entry.isDirectory()) {
    await mkdir(to, { mode: 0o700 });
    for (const name of await readdir(from)) await copyTree(join(from, name), join(to, name), job);
  } else return job.onSkipped(from);
  await dressAs(entry, to);
}

/** In this order: a new owner takes the set-user-id bit away, and all of it is done when a folder is full. */
async function dressAs(model: Stats, path: string): Promise<void> {
  await lchown(path, model.uid, model.gid).catch(() => {
    // Only root may; others own what they copy, and no more is possible.
  });
  if (!model.isSymbolicLink()) await chmod(path, model.mode & 0o7777);
  await lutimes(path, model.atime, model.mtime);
}
