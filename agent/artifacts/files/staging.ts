import { createHash } from 'node:crypto';
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Log } from '../../log.ts';

/**
 * A fresh, private folder to clone into: beside the target, so that the clone can be moved in one step, or in
 * `stateDir` where we may not write there. The target is made as well, so that a clone is not fetched in vain.
 */
export async function makeStaging(target: string, stateDir: string): Promise<string> {
  await mkdir(target, { recursive: true });
  try {
    return await mkdtemp(join(dirname(target), `${stagingPrefixOf(target)}-`));
  } catch {
    await mkdir(stagingIn(stateDir), { recursive: true, mode: 0o700 });
    return await mkdtemp(join(stagingIn(stateDir), `${stagingPrefixOf(target)}-`));
  }
}

/** Removes the stagings of a target that an earlier run was killed over. */
export async function removeStagings(target: string, stateDir: string): Promise<void> {
  for (const folder of [dirname(target), stagingIn(stateDir), target]) {
    const names = await readdir(folder).catch(() => []);
    const left = names.filter((name) => name.startsWith(stagingPrefixOf(target)));
    await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })));
  }
}

/** Moves the clone of a staging into its target. Whatever `.git` was there is set aside, and reported. */
export async function moveIn(
  staging: string,
  target: string,
  { stateDir, log }: { stateDir: string; log: Log },
): Promise<void> {
  await chmod(join(staging, '.git'), 0o700); // The target is often served as it is, and `.git` with it.
  await setAside(target, { stateDir, log });
  await move(join(staging, '.git'), join(target, '.git'), join(target, `${stagingPrefixOf(target)}-incoming`));
  await rm(staging, { recursive: true, force: true });
}

/** How names of ours begin that belong to a target, and are removed when found: those of different targets share a folder. */
export function stagingPrefixOf(target: string): string {
  return `.cartridge-agent-${createHash('sha256').update(target).digest('hex').slice(0, 12)}`;
}

const setAsideAtMost = 5;

async function setAside(target: string, { stateDir, log }: { stateDir: string; log: Log }): Promise<void> {
  const there = join(target, '.git');
  if ((await lstat(there).catch(() => null)) === null) return;

  const folder = join(stateDir, 'set-aside');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const to = await mkdtemp(join(folder, `${Date.now()}-${basename(target)}-`));
  await move(there, join(to, 'git'), join(to, 'incoming'));
  const older = (await readdir(folder)).sort().slice(0, -setAsideAtMost);
  await Promise.all(older.map((name) => rm(join(folder, name), { recursive: true, force: true })));
  log.warn({ event: 'artifact.set-aside', path: target, movedTo: to }, 'the target had another clone, set aside');
}

/** In one step; across file systems by way of `half`, so that `to` is never half there. */
async function move(from: string, to: string, half: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await rm(half, { recursive: true, force: true });
    try {
      await cp(from, half, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
      await rename(half, to);
    } catch (failure) {
      // On a full disk it would be in its own way.
      await rm(half, { recursive: true, force: true });
      throw failure;
    }
    await rm(from, { recursive: true, force: true });
  }
}

function stagingIn(stateDir: string): string {
  return join(stateDir, 'staging');
}
