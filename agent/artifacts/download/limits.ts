import { lstat, readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AgentError } from '../../../state/errors.ts';
import { GitError } from '../git/git.ts';
import type { Repository } from '../git/repository.ts';

/** What the files of a commit take, or those that an update writes. */
export interface TreeSize {
  readonly bytes: number;
  readonly files: number;
}

/** More files than any artifact has: a few objects of a repository can unfold to billions. */
const filesAtMost = 1_000_000;

/**
 * Runs a download, and ends it with all its processes soon after it has brought more than `limitBytes`.
 *
 * @param work - is given the repository to work with: its calls of git are the ones that end
 * @throws {@link ArtifactTooLargeError}; what was brought by then is still there
 */
export async function withinLimit(
  repository: Repository,
  limitBytes: number | null,
  work: (limited: Repository) => Promise<void>,
): Promise<void> {
  if (limitBytes === null) return await work(repository);
  const objects = join(repository.folder, '.git', 'objects');
  const atMostBytes = (await bytesIn(objects, workedOut)) + limitBytes;
  const tooLarge = new AbortController();
  const done = new AbortController();
  const watching = watch(objects, { atMostBytes, tooLarge, done: done.signal });
  try {
    const { signal } = tooLarge;
    await work({ ...repository, run: (args, more) => repository.run(args, { ...more, signal }) });
  } catch (error) {
    if (!tooLarge.signal.aborted) throw error;
  } finally {
    done.abort();
    await watching;
  }
  if (!tooLarge.signal.aborted && (await bytesIn(objects, workedOut)) <= atMostBytes) return;
  throw new ArtifactTooLargeError('what the git server sends', { limitBytes });
}

/**
 * Whether a commit may be put in place; all its files are counted, without taking them out of the repository.
 *
 * @param limitBytes - null for none; a million files is too many all the same
 * @throws {@link ArtifactTooLargeError}
 */
export async function checkTreeSize(
  repository: Repository,
  commit: string,
  limitBytes: number | null,
): Promise<TreeSize> {
  return await measure(repository, ['ls-tree', '-r', '-l', '-z', commit], limitBytes);
}

/** What an update from one commit to another writes. */
export async function sizeOfChange(repository: Repository, from: string, to: string): Promise<TreeSize> {
  const changed = await repository.run(['diff-tree', '-r', '-z', '--no-renames', '--diff-filter=d', from, to]);
  const ids = [...changed.matchAll(/:\d+ \d+ [0-9a-f]+ ([0-9a-f]+) [A-Z]\d*\0/g)].map(([, id = '']) => id);
  if (ids.length === 0) return { bytes: 0, files: 0 };
  const sizes = await repository.run(['cat-file', '--batch-check=%(objectsize)'], { input: `${ids.join('\n')}\n` });
  // Submodules are none of the objects here: their lines are no number.
  const bytes = sizes.split('\n').reduce((sum, size) => sum + (/^\d+$/.test(size) ? Number(size) : 0), 0);
  return { bytes, files: ids.length };
}

/**
 * Whether there is room for that much more in a folder, which must be there.
 *
 * @throws {@link ArtifactNoSpaceError}
 */
export async function checkFreeSpace(folder: string, neededBytes: number, neededFiles = 0): Promise<void> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(folder);
  // Some file systems count no blocks, or no files, and say nothing by it.
  const freeBytes = blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
  const freeFiles = files === 0 ? Number.POSITIVE_INFINITY : ffree;
  if (freeBytes >= neededBytes && freeFiles >= neededFiles) return;
  const isFull = freeBytes < neededBytes;
  throw new ArtifactNoSpaceError(folder, isFull ? { neededBytes, freeBytes } : { neededFiles, freeFiles });
}

/** What a clone takes where it is to be moved to; nothing on the same disk. Both folders must be there. */
export async function bytesToMove(clone: string, folder: string): Promise<number> {
  const [from, to] = await Promise.all([clone, folder].map((path) => stat(path)));
  return from?.dev === to?.dev ? 0 : await bytesIn(join(clone, '.git'));
}

/** The artifact is larger than it may be. */
export class ArtifactTooLargeError extends AgentError {
  override readonly name = 'ArtifactTooLargeError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_TOO_LARGE';
  readonly remedy = 'Make the repository smaller, or raise artifact.max.bytes if it is meant to be that large.';

  constructor(what: string, facts: { limitBytes: number } | { limitFiles: number }) {
    const limit = 'limitBytes' in facts ? `${facts.limitBytes} bytes` : `${facts.limitFiles} files`;
    super(`cannot take the artifact: ${what} is more than ${limit}`, { facts });
  }
}

/** There is no room for the artifact. Tried again: others may free some. */
export class ArtifactNoSpaceError extends AgentError {
  override readonly name = 'ArtifactNoSpaceError';
  readonly code = 'ARTIFACT_NO_SPACE';
  readonly remedy = 'Free disk space where the artifact is placed, or in state.dir; the agent tries again by itself.';

  /** @param facts - what was counted, where it was */
  constructor(folder: string, facts: Readonly<Record<string, number>>, options: { cause?: unknown } = {}) {
    super(`cannot write the artifact: no space left in ${folder}`, { ...options, facts: { folder, ...facts } });
  }
}

async function watch(
  objects: string,
  { atMostBytes, tooLarge, done }: { atMostBytes: number; tooLarge: AbortController; done: AbortSignal },
): Promise<void> {
  while (!done.aborted) {
    const startedMs = performance.now();
    if ((await bytesIn(objects, workedOut)) > atMostBytes) return tooLarge.abort();
    // A look takes a fifth of the time at most, however many files there are.
    await pause(Math.max(15, 4 * (performance.now() - startedMs)), undefined, { signal: done }).catch(() => {});
  }
}

/** Files beside packs, finished or not, that no server sends. */
const workedOut = /\.(idx|rev)$|^tmp_(idx|rev)/;

async function bytesIn(folder: string, without?: RegExp): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return await bytesIn(path, without);
      if (without?.test(entry.name) === true) return 0;
      return (await lstat(path).catch(() => ({ size: 0 }))).size;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** @param args - of a command that says `<mode> <type> <id> <size>\t<path>` of each file, with NUL after each */
async function measure(repository: Repository, args: string[], limitBytes: number | null): Promise<TreeSize> {
  const tooLarge = new AbortController();
  let bytes = 0;
  let files = 0;
  let rest = '';
  const onOutput = (piece: Buffer) => {
    const entries = (rest + piece.toString('latin1')).split('\0');
    rest = entries.pop() ?? '';
    files += entries.length;
    for (const entry of entries) bytes += Number(/^\d+ \w+ \w+ +(\d+)\t/.exec(entry)?.[1] ?? 0);
    if (files > filesAtMost || (limitBytes !== null && bytes > limitBytes)) tooLarge.abort();
  };
  try {
    await repository.run(args, { onOutput, signal: tooLarge.signal });
  } catch (error) {
    if (!tooLarge.signal.aborted || !(error instanceof GitError)) throw error;
  }
  if (limitBytes !== null && bytes > limitBytes) throw new ArtifactTooLargeError('what it unfolds to', { limitBytes });
  if (files > filesAtMost) throw new ArtifactTooLargeError('the number of files', { limitFiles: filesAtMost });
  return { bytes, files };
}
