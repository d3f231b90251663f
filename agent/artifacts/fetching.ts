import type { Trigger } from '../../state/lifecycle/context.ts';
import type { Log } from '../log.ts';
import { download, tagRef, tagRefs } from './download/download.ts';
import type { TreeSize } from './download/limits.ts';
import type { Drift, Fetched } from './fetched.ts';
import { pathsBetween, shownPaths } from './git/byte-paths.ts';
import type { GitProgress } from './git/git.ts';
import type { Identity } from './git/identity.ts';
import { readRefs } from './git/refs.ts';
import { configure, initRepository, isOurs, knownCommit, type Repository } from './git/repository.ts';
import type { Site } from './layout.ts';
import { commitLocal, commitMessage } from './local/commit.ts';
import { reconcile } from './local/reconcile.ts';
import type { DriftPolicy } from './place/place.ts';
import type { fingerprintOf } from './trust/fingerprint.ts';
import type { readCommitFacts } from './trust/provenance.ts';
import { type VerifyPolicy, verifyCommit } from './trust/verify.ts';
import type { Wish } from './wish.ts';

/** What a look at a repository depends on. */
export interface FetchConfig {
  /** Branch, tag, or commit by its whole id; null for the default branch of each repository. */
  readonly branch: string | null;
  readonly maxBytes: number | null;
  /** Whether regular looks bring what is new; those that an event asks for always do. */
  readonly autoCheckout: boolean;
  readonly commitEnabled: boolean;
  readonly commitIdentity: Identity;
  readonly drift: DriftPolicy;
  readonly verify: { readonly policy: VerifyPolicy; readonly signersFile: string | null };
}

export interface FetchJob {
  /** `event` unless it is told. */
  readonly trigger?: Trigger;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: GitProgress) => void;
}

/** How what is so of a commit for ever is read. */
export interface CommitReaders {
  /** Throws an ArtifactTooLargeError where it is more than it may be. */
  readonly sizeOf: (repository: Repository, commit: string) => Promise<TreeSize>;
  readonly fingerprintOf: typeof fingerprintOf;
  readonly factsOf: typeof readCommitFacts;
}

const changedPathsAtMost = 10_000;

/**
 * One look at a repository: commits what is changed here, brings what is new there, brings both together, and checks what
 * came of it. No file in place is touched, but those that have drifted, if they are to be put back.
 *
 * @see protocol.md 8.3, 8.4
 */
export async function lookAt(
  site: Site,
  wish: Wish,
  job: FetchJob & { config: FetchConfig; isRelease: boolean; log: Log } & CommitReaders,
): Promise<Fetched> {
  const { config, isRelease } = job;
  const { repository } = site;
  if (!(await isOurs(repository.folder))) await initRepository(repository, config);
  await configure(repository, wish.url);
  const looksForDrift = job.trigger === 'interval' && !config.commitEnabled;
  const { drift, brought } = looksForDrift
    ? await bringAndLook(site, wish, job)
    : { drift: null, brought: await bring(site, wish, job) };
  const { commit, signedBy } = brought;

  const oldCommit = await site.placed();
  // The clone of releases may have been made again; in place, a commit that is lost is damage.
  const before = isRelease ? await knownCommit(repository, oldCommit) : oldCommit;
  const isSurelyChanged = isRelease ? oldCommit !== commit : oldCommit === null;
  const rejection = await site.rejectionOf(commit);
  const readFingerprint = async () => (rejection === null ? await job.fingerprintOf(repository, commit) : null);
  const [paths, { authorDate, subject }, early] = await together([
    oldCommit === commit ? [] : pathsBetween(repository, before, commit),
    job.factsOf(repository, commit),
    isSurelyChanged ? readFingerprint() : null,
  ]);
  // Another commit with the same files is nothing to tell anybody, but it is the one in place from now on.
  if (oldCommit !== null && oldCommit !== commit && paths.length === 0 && !isRelease) await site.place(commit);
  const changed = isSurelyChanged || (!isRelease && paths.length > 0);
  const { tenantId, path, repoUrl } = wish;
  return {
    ...{ tenantId, path, repoUrl, oldCommit, newCommit: commit, changed, authorDate, subject, signedBy, isRelease },
    changedPaths: shownPaths(paths.slice(0, changedPathsAtMost)),
    fingerprint: changed && !isSurelyChanged ? await readFingerprint() : early,
    ...{ rejection, drift },
  };
}

/** The commit that should be in place. */
async function bring(
  site: Site,
  wish: Wish,
  { config, trigger, onProgress, log, sizeOf }: Parameters<typeof lookAt>[2],
): Promise<{ commit: string; signedBy: string | null }> {
  const { repository } = site;
  const { commitEnabled, branch, maxBytes, verify, commitIdentity: identity } = config;
  if (commitEnabled && (await site.placed()) !== null) {
    await commitLocal(repository, { identity, message: commitMessage(wish), log });
  }
  const placed = await site.placed();
  if (trigger === 'interval' && !config.autoCheckout && placed !== null) {
    // What is to be pushed is put upon what is there, as in the originals.
    const isToPush = commitEnabled && (await readRefs(repository)).has('local');
    if (!isToPush) return { commit: placed, signedBy: null };
  }

  let signedBy: string | null = null;
  const fetch = async () => {
    const { commit, tag } = await download(repository, {
      ref: branch,
      credential: wish.credential,
      // Local commits are repeated upon what both sides have in common.
      isShallow: !commitEnabled,
      limits: { maxBytes },
      withTags: verify.policy === 'signed-tag',
      ...(onProgress && { onProgress }),
    });
    // A tag that was asked for by name must be that one: else an old release could come under a new label.
    const tags = tag === null ? { tagRefs: [tagRefs] } : { tagRefs: [tagRef], tagName: branch };
    const signer = await verifyCommit(repository, commit, { ...verify, ...tags });
    signedBy = signer?.principal ?? null;
    if (commit !== placed) await sizeOf(repository, commit);
    return commit;
  };
  const fetched = await fetch();
  if (!commitEnabled || placed === null) return { commit: fetched, signedBy };
  const { credential, tenantId, repoUrl, path } = wish;
  const involved = { tenantId, repoUrl, path };
  const { newCommit } = await reconcile(repository, {
    ...{ fetched, branch, credential, identity, involved },
    refetch: fetch,
  });
  return { commit: newCommit, signedBy };
}

/** Who only looks need not wait for the server. */
async function bringAndLook(site: Site, wish: Wish, job: Parameters<typeof lookAt>[2]) {
  if (job.config.drift === 'restore') {
    const drift = await lookForDrift(site, job.config);
    return { drift, brought: await bring(site, wish, job) };
  }
  // In this order: what the drift look meets is here, and damage that is here is to be mended before all else.
  const [drift, brought] = await together([lookForDrift(site, job.config), bring(site, wish, job)]);
  return { drift, brought };
}

/** All of it at the same time; but a job does not end while a part of it goes on. Throws what the first has thrown. */
async function together<T extends unknown[]>(parts: [...T]): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(parts);
  return await Promise.all(parts);
}

async function lookForDrift(site: Site, { drift: policy }: FetchConfig): Promise<Drift> {
  const paths = policy === 'keep' ? [] : await site.drift();
  const restored = policy === 'restore' && paths.length > 0;
  if (restored) await site.restore(paths);
  return { paths: shownPaths(paths), restored };
}
