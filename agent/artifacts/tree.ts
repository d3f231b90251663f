import type { Stats } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Containers of one host often serve the same path: their processes are not ours to end. */
export async function treeOf(path: string, stateDir: string): Promise<string> {
  // Where it cannot be made, which the journal tells, the folder it would be in is as good.
  await mkdir(stateDir, { recursive: true, mode: 0o700 }).catch(() => {});
  const { dev, ino } = await nearestFolder(stateDir);
  return `${dev}.${ino}:${path}`;
}

async function nearestFolder(path: string): Promise<Stats> {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() === true || path === dirname(path)
    ? await stat(path)
    : await nearestFolder(dirname(path));
}
