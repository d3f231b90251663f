import { mkdir, rm, stat } from 'node:fs/promises';
import type { Log } from '../log.ts';
import { isDamage } from './failures.ts';
import type { Git, GitProgress } from './git.ts';
import { placeCommit } from './place.ts';
import {
  configure,
  download,
  initRepository,
  isOurs,
  pathsBetween,
  type Repository,
  readCommits,
  removeDebris,
  repositoryIn,
} from './repository.ts';
import { makeStaging, moveIn, removeStagings } from './staging.ts';
import type { Wish } from './wish.ts';

const changedPathsAtMost = 10_000;

/** A commit that is here and can be put in place. Plain JSON, no secrets. */
export interface Fetched {
  readonly tenantId: string;
  /** Absolute; where the artifact is served from. */
  readonly path: string;
  /** Without user info. */
  readonly repoUrl: string;
  /** The commit in place; null when there is none of ours. */
  readonly oldCommit: string | null;
  readonly newCommit: string;
  /** Whether there is anything to place. */
  readonly changed: boolean;
  /** Relative to `path`; the first 10,000. */
  readonly changedPaths: readonly string[];
}

/** The clones of this instance: one in place per path, or one in staging that is to be. One job at a time per path. */
export interface Clones {
  /** Whether a clone of ours is in place. */
  isInPlace(path: string): Promise<boolean>;
  fetch(wish: Wish, job: { signal: AbortSignal; onProgress?: (progress: GitProgress) => void }): Promise<Fetched>;
  place(wish: Wish, commit: string, job: { signal: AbortSignal }): Promise<void>;
}

/** @param options - `branch`: null for the default branch of each remote */
export function createClones(options: { git: Git; stateDir: string; branch: string | null; log: Log }): Clones {
  const { git, stateDir, branch, log } = options;
  /** Path to staging folder. */
  const staged = new Map<string, string>();
  /** Paths whose clone in place has lost something; the next fetch makes another. */
  const damaged = new Set<string>();
  /** Paths that an earlier run has left nothing half done at. */
  const tidy = new Set<string>();

  async function fetch(wish: Wish, { signal, onProgress }: Parameters<Clones['fetch']>[1]): Promise<Fetched> {
    const tree = await tidyUp(wish.path);
    const repository = repositoryIn(await folderFor(wish.path), git, { tree, signal });
    try {
      if (!(await isOurs(repository.folder))) await initRepository(repository, { branch });
      await configure(repository, wish.url);
      await download(repository, { branch, credential: wish.credential, ...(onProgress && { onProgress }) });
      return await describe(repository, wish);
    } catch (error) {
      await cleanUp(repository, wish.path);
      if (repository.folder !== wish.path || signal.aborted || !noteDamage(wish.path, error)) throw error;
      return await fetch(wish, { signal, ...(onProgress && { onProgress }) });
    }
  }

  async function place(wish: Wish, commit: string, { signal }: { signal: AbortSignal }): Promise<void> {
    const tree = await tidyUp(wish.path);
    const staging = staged.get(wish.path);
    if (staging !== undefined) {
      await moveIn(staging, wish.path, { stateDir, log });
      staged.delete(wish.path);
      damaged.delete(wish.path);
    }
    const repository = repositoryIn(wish.path, git, { tree, signal });
    try {
      await configure(repository, wish.url);
      await placeCommit(repository, commit, { log });
    } catch (error) {
      await removeDebris(wish.path);
      noteDamage(wish.path, error);
      throw error;
    }
  }

  function noteDamage(path: string, error: unknown): boolean {
    if (!isDamage(error)) return false;
    log.warn({ event: 'artifact.damaged', path, err: error }, 'the clone is damaged, and will be made again');
    damaged.add(path);
    return true;
  }

  async function folderFor(path: string): Promise<string> {
    const staging = staged.get(path);
    if (staging !== undefined) return staging;
    if (!damaged.has(path) && (await isOurs(path))) return path;
    const fresh = await makeStaging(path, stateDir);
    staged.set(path, fresh);
    return fresh;
  }

  async function cleanUp({ folder }: Repository, path: string): Promise<void> {
    if (folder === path) return await removeDebris(path);
    staged.delete(path);
    await rm(folder, { recursive: true, force: true });
  }

  /** Once per path: ends what is still at work there, then removes what it leaves. Returns the mark for later jobs. */
  async function tidyUp(path: string): Promise<string> {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const { dev, ino } = await stat(stateDir);
    // Containers of one host often serve the same path: their processes are not ours to end.
    const tree = `${dev}.${ino}:${path}`;
    if (tidy.has(path)) return tree;

    await git.endLeftovers(tree);
    await removeStagings(path, stateDir);
    if (await isOurs(path)) await removeDebris(path);
    tidy.add(path);
    return tree;
  }

  return { isInPlace: isOurs, fetch, place };
}

async function describe(repository: Repository, { tenantId, path, repoUrl }: Wish): Promise<Fetched> {
  const { placed: oldCommit, fetched } = await readCommits(repository);
  if (fetched === null) throw new Error('fetched nothing, without a word of git');
  const changed = oldCommit !== fetched;
  const paths = changed ? await pathsBetween(repository, oldCommit, fetched) : [];
  const changedPaths = paths.slice(0, changedPathsAtMost);
  return { tenantId, path, repoUrl, oldCommit, newCommit: fetched, changed, changedPaths };
}
