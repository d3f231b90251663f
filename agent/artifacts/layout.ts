import type { TreeSize } from './download/limits.ts';
import type { Repository } from './git/repository.ts';
import type { Wish } from './wish.ts';

/** How a job calls git: by which mark its processes are found, and what ends them. */
export interface Job {
  readonly tree: string;
  readonly signal: AbortSignal;
}

/** How the files of artifacts lie on this disk. */
export interface Layout {
  /** Each commit is in a folder of its own, and there may be a way back to the last good one. */
  readonly hasReleases: boolean;
  /** Whether there is an artifact of ours at a path. */
  isInPlace(path: string): Promise<boolean>;
  /** Removes what is half done: by an earlier run of the agent, or of no more use. */
  tidyUp(path: string): Promise<void>;
  /** The artifact of one tenant, for the length of a job. One job at a time per path. */
  open(wish: Pick<Wish, 'path' | 'url'>, job: Job): Promise<Site>;
}

/** Where the artifact of one tenant is, or will be. */
export interface Site {
  /** The clone to fetch into; perhaps an empty folder yet. */
  readonly repository: Repository;
  /** The commit all of whose files are in place; null when there is none of ours. */
  placed(): Promise<string | null>;
  /** Why a commit is not to be tried again; null when it may be. */
  rejectionOf(commit: string): Promise<string | null>;
  /**
   * Whether files of that size can be put in place.
   *
   * @throws ArtifactNoSpaceError
   */
  checkRoom(size: TreeSize): Promise<void>;
  /** Makes the files in place those of a commit that is in the clone. Safe to do twice. */
  place(commit: string): Promise<void>;
  /** The commit in place works: from now on it is the one to come back to. */
  accept(): Promise<void>;
  /** Rejects a commit, and serves the last good one, which it returns; null when there is none. Safe to do twice. */
  takeBack(commit: string, reason: string): Promise<string | null>;
  /** Files that others have changed, relative to the path; to git, not to people (git/byte-paths.ts). */
  drift(): Promise<string[]>;
  restore(paths: readonly string[]): Promise<void>;
  /** To be told of a failed job. True: what was damaged is mended, or out of the way, and it is worth to begin again. */
  failed(error: unknown): Promise<boolean>;
}
