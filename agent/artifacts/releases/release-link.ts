import { lstat, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

const linksAtMost = 40;

/** Where the releases of `path` lie: beside it, so that a link and an existing folder can be moved in one step. */
export function releasesFolderOf(path: string): string {
  return `${path}.releases`;
}

/** The clone that releases are written from; it is not served. */
export function releasesRepositoryOf(path: string): string {
  return join(releasesFolderOf(path), 'repository');
}

/** Whether a name is that of a commit, and so of a release. */
export function isCommit(name: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name);
}

/** What the link at `path` says when it names the release of `commit`. Relative: all of it can be moved elsewhere. */
export function releaseLinkOf(path: string, commit: string): string {
  return `${basename(releasesFolderOf(path))}/${commit}`;
}

/** The commit that a link of ours at `path` names, there or not; null for all else. */
export async function readReleaseLink(path: string): Promise<string | null> {
  const text = await readlink(path).catch(() => null);
  const commit = text === null ? '' : basename(text);
  return isCommit(commit) && text === releaseLinkOf(path, commit) ? commit : null;
}

/** Where `path` really is, for an operator who made it a link; a link of ours is not followed. */
export async function placeOf(path: string): Promise<string> {
  let place = path;
  for (let followed = 0; followed < linksAtMost; followed += 1) {
    if ((await readReleaseLink(place)) !== null) return place;
    const text = await readlink(place).catch(() => null);
    if (text === null) return place;
    place = resolve(await realpath(dirname(place)), text);
  }
  return await realpath(path); // Says ELOOP.
}

/** Whether there is anything of that name, be it a link to nothing. */
export async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null)) !== null;
}

/** Whether it is a folder, and no link to one. */
export async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null))?.isDirectory() === true;
}
