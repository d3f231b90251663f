import { renameSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Faults, noFaults } from '../../faults.ts';
import type { Log } from '../../log.ts';
import { flushFolder } from '../files/durable.ts';
import { isFolder, isThere, placeOf, readReleaseLink, releasesFolderOf } from './release-link.ts';

/**
 * Puts the release that is served where its link is, for an instance whose `artifact.layout` is in-place from now on: or
 * else the next update would be written into a release. Does nothing where there is no link of ours. Safe to do twice.
 */
export async function leaveReleases(path: string, options: { log: Log; faults?: Faults }): Promise<void> {
  const { log, faults = noFaults } = options;
  const place = await placeOf(path);
  const folder = releasesFolderOf(place);
  const current = await readReleaseLink(place);
  if (current !== null) {
    renameSync(place, join(folder, `left-${current}`));
    faults('releases.left');
  }
  // Two steps, as in the other direction; an agent killed in between left us the second.
  const names = await readdir(folder).catch(() => []);
  const left = names.filter((name) => name.startsWith('left-'));
  for (const name of left) {
    const release = join(folder, name.slice('left-'.length));
    if (!(await isThere(place)) && (await isFolder(release))) await rename(release, place);
    faults('releases.in-place');
    await rm(join(folder, name));
  }
  if (left.length === 0) return;
  await flushFolder(dirname(place));
  log.info(
    { event: 'artifact.releases-left', path: place, folder },
    'in place again; the other releases may be deleted',
  );
}
