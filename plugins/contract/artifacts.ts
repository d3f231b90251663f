import type { Secret } from '../../state/secret.ts';
import type { PluginContext } from './context.ts';

/**
 * Takes over how artifacts come here, for all tenants. In two steps, because the gate `artifactUpdating` decides between
 * them. Both may be called again for the same thing, after a failure or a restart. A rejection is retried with back-off.
 */
export interface Checkout<Options = unknown> {
  /** Brings the newest version to this instance, and names it. No file in `path` is touched. */
  readonly fetch: (context: PluginContext<Options>, wanted: WantedArtifact) => Promise<FetchedArtifact>;
  /** Puts a fetched version in place. */
  readonly place: (
    context: PluginContext<Options>,
    wanted: WantedArtifact & { readonly newCommit: string },
  ) => Promise<void>;
}

/** Takes over how local changes go back. Returns the version that was made; null when nothing had changed. */
export type Commit<Options = unknown> = (
  context: PluginContext<Options>,
  wanted: WantedArtifact,
) => Promise<string | null>;

/** The artifact of one tenant: where it comes from, and where it belongs. */
export interface WantedArtifact {
  readonly tenantId: string;
  /** Absolute; it may not exist yet. */
  readonly path: string;
  /** Without user info. */
  readonly repoUrl: string;
  /** Branch, tag or commit, as configured; null: the default branch. */
  readonly branch: string | null;
  /** Null: anonymous. Only `password.reveal()` opens the password. */
  readonly credential: { readonly userName: string; readonly password: Secret } | null;
  /** What is in place; null before the first. */
  readonly oldCommit: string | null;
}

/** A version that is here and can be put in place. */
export interface FetchedArtifact {
  /** Names the version; equal to `oldCommit` when there is nothing new. */
  readonly newCommit: string;
  /** Relative to `path`, for the hooks; leave it out when not known. */
  readonly changedPaths?: readonly string[];
  /** One line about it. */
  readonly subject?: string;
}
