import type { CommitFacts } from './trust/provenance.ts';

/** A commit that is here and can be put in place, and what is known of it. Plain JSON, no secrets. */
export interface Fetched extends Pick<CommitFacts, 'authorDate' | 'subject'> {
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
  /** Of the tree of `newCommit`; null when nothing has changed. */
  readonly fingerprint: string | null;
  /** Who has signed it; null when nobody had to. */
  readonly signedBy: string | null;
  /** Why it is not to be tried again; null when it may be. */
  readonly rejection: string | null;
  /** It has a folder of its own, and there may be a way back. */
  readonly isRelease: boolean;
  /** What others have changed in place; looked for at regular looks only, and null when it was not. */
  readonly drift: Drift | null;
}

/** Files in place that are not as the commit in place has them. */
export interface Drift {
  readonly paths: readonly string[];
  /** They have been put back. */
  readonly restored: boolean;
}
