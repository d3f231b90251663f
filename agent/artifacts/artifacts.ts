import { AgentError } from '../../state/errors.ts';
import { type Faults, noFaults } from '../faults.ts';
import type { Log } from '../log.ts';
import { checkTreeSize, sizeOfChange, type TreeSize } from './download/limits.ts';
import { ArtifactCloneError, ArtifactFetchError, ArtifactPlaceError, ArtifactUnknownError } from './failures.ts';
import type { Fetched } from './fetched.ts';
import { type FetchConfig, type FetchJob, lookAt } from './fetching.ts';
import { finishRemoval, removeContent } from './files/remove.ts';
import { pathsBetween, shownPaths } from './git/byte-paths.ts';
import { createGit } from './git/git.ts';
import { isOurs, knownCommit, type Repository } from './git/repository.ts';
import type { SshFiles } from './git/ssh.ts';
import { createInPlace } from './in-place.ts';
import { createInReleases } from './in-releases.ts';
import { createJobs, DamageError } from './jobs.ts';
import type { Layout, Site } from './layout.ts';
import { artifactPath, checkNoLinks } from './paths.ts';
import { treeOf } from './tree.ts';
import { fingerprintOf } from './trust/fingerprint.ts';
import { readCommitFacts } from './trust/provenance.ts';
import { remembered } from './trust/remembered.ts';
import { travelsInClear } from './url.ts';
import { type RepositoryEvent, type Wish, type WishConfig, wishOf } from './wish.ts';
import { createWishes } from './wishes.ts';

/** What the artifacts of an instance depend on. */
export interface ArtifactsConfig extends WishConfig, FetchConfig {
  /** For one fetch, and for one placing. */
  readonly timeoutMs: number;
  /** Whether what is there before the first commit is copied first. */
  readonly backup: boolean;
  readonly layout: 'in-place' | 'releases';
  readonly releasesKept: number;
  readonly ssh: SshFiles;
}

/** The artifacts of this instance: one git repository per tenant, fetched and put in place when told. */
export interface Artifacts {
  /**
   * Takes note of where the artifact of a tenant comes from; the newest event wins, one that cannot be used changes
   * nothing. Whether the event is for this cluster is for the caller to say.
   *
   * @throws RepositoryUrlError, ArtifactPathError, ArtifactTenantError, RepositoryPasswordError
   */
  want(event: RepositoryEvent): { tenantId: string; repoUrl: string };
  /** Whether it is known where the artifact of a tenant comes from. */
  isKnown(tenantId: string): boolean;
  /** The tenant has left; an event that comes later, even before its content is removed, counts again. */
  forget(tenantId: string): void;
  /**
   * Brings the newest commit to this instance. No file in place is touched: until `place`, the old content serves.
   *
   * @throws ArtifactUnknownError, ArtifactCloneError, ArtifactFetchError, ArtifactTimeoutError, ArtifactTooLargeError,
   * ArtifactNoSpaceError, ArtifactUnverifiedError, ArtifactConflictError, ArtifactPushError, ..., the signal's reason
   */
  fetch(tenantId: string, job: FetchJob): Promise<Fetched>;
  /**
   * Puts a fetched commit in place; does nothing when nothing has changed. Safe to do twice; after a restart, and for a
   * first commit, what was fetched may be gone: that is a failure, and fetching again mends it.
   *
   * @throws ArtifactPlaceError, ArtifactTimeoutError, ArtifactNoSpaceError, ArtifactBackupError, the signal's reason
   */
  place(found: Found, job: { signal: AbortSignal }): Promise<void>;
  /** What is in place works: it is what to come back to. */
  accept(found: Found, job: { signal: AbortSignal }): Promise<void>;
  /** `found` does not work: puts the last commit that did in place again, and returns it; null where there is none. */
  takeBack(found: Found, job: { reason: string; signal: AbortSignal }): Promise<string | null>;
  /** The paths that differ between two commits; none when the clone does not know them any more. */
  changedPaths(found: Found, job: { signal: AbortSignal }): Promise<readonly string[]>;
  /** Removes what an earlier run was killed over and left half done, as the next job for this tenant would. */
  tidyUp(tenantId: string, job: { signal: AbortSignal }): Promise<void>;
  /**
   * Removes the artifact of a tenant, and puts back what was there before it, if that was kept.
   *
   * @returns whether there was anything of ours
   * @throws ArtifactRemoveError, the signal's reason
   */
  remove(tenantId: string, job: { signal: AbortSignal }): Promise<boolean>;
}

/** Which commit is meant, where. */
export type Found = Pick<Fetched, 'tenantId' | 'path' | 'repoUrl' | 'oldCommit' | 'newCommit' | 'changed'>;

/**
 * @param options - `environment`: of which git is given PATH, HOME, proxies and the like
 * @see protocol.md 8
 */
export function createArtifacts(options: {
  config: ArtifactsConfig;
  multiTenant: boolean;
  stateDir: string;
  log: Log;
  environment?: NodeJS.ProcessEnv;
  faults?: Faults;
}): Artifacts {
  const { config, multiTenant, stateDir, log, environment = process.env, faults = noFaults } = options;
  const git = createGit({ protocols: config.protocols, environment, ssh: config.ssh, faults });
  const layout = layoutOf();
  const facts = {
    sizeOf: remembered((repository, commit) => checkTreeSize(repository, commit, config.maxBytes)),
    fingerprintOf: remembered(fingerprintOf),
    factsOf: remembered(readCommitFacts),
  };
  const runJob = createJobs(config.timeoutMs);
  const wishes = createWishes();
  /** Paths that an earlier run has left nothing half done at. */
  const tidy = new Set<string>();

  function layoutOf(): Layout {
    const common = { git, hasBackup: config.backup, log, faults };
    if (config.layout === 'releases') return createInReleases({ ...common, keep: config.releasesKept });
    // What is committed is no drift: a file that an update spares would undo that update with the next commit.
    return createInPlace({ ...common, stateDir, drift: config.commitEnabled ? 'report' : config.drift });
  }

  /** Where it came from may not be known after a restart: what is on this disk needs no credentials. */
  function wishFor(found: Found): Wish {
    return wishes.get(found.tenantId) ?? { ...found, url: found.repoUrl, credential: null };
  }

  /** Runs one job on the site of an artifact. */
  async function withSite<T>(wish: Wish, signal: AbortSignal, work: (site: Site) => Promise<T>): Promise<T> {
    const tree = await tidyUp(wish.path, signal);
    const site = await layout.open(wish, { tree, signal });
    try {
      return await work(site);
    } catch (error) {
      // A failure of ours has left the clone as it should be.
      if (error instanceof AgentError || !(await site.failed(error))) throw error;
      throw new DamageError('the clone is damaged', { cause: error });
    }
  }

  /** Once per path: ends what is still at work there, then removes what it leaves. Returns the mark for later jobs. */
  async function tidyUp(path: string, signal: AbortSignal): Promise<string> {
    if (config.path !== null) await checkNoLinks(config.path, path);
    const tree = await treeOf(path, stateDir);
    if (tidy.has(path)) return tree;
    await git.endLeftovers(tree);
    await finishRemoval(path, { log, signal, faults });
    await layout.tidyUp(path);
    tidy.add(path);
    return tree;
  }

  return {
    want(event) {
      const wish = wishOf(event, config, { multiTenant });
      const isNew = wishes.get(wish.tenantId)?.url !== wish.url;
      wishes.set(wish);
      const { tenantId, repoUrl } = wish;
      if (isNew && travelsInClear(wish)) {
        const remedy = 'Use https for the repository of this tenant, or leave http out of artifact.protocols.';
        log.warn(
          { event: 'artifact.password-in-clear', tenantId, repoUrl, remedy },
          'a password will travel unencrypted',
        );
      }
      return { tenantId, repoUrl };
    },

    isKnown: (tenantId) => wishes.get(tenantId) !== undefined,
    forget: (tenantId) => wishes.delete(tenantId),

    async fetch(tenantId, job) {
      const wish = wishes.get(tenantId);
      if (wish === undefined) throw new ArtifactUnknownError(tenantId);
      return await wishes.fulfil(wish, job.signal, (newest, signal) => fetch(newest, { ...job, signal }));
    },

    async place(found, { signal }) {
      if (!found.changed) return;
      const wish = wishFor(found);
      await runJob(wish, {
        signal,
        work: (deadline) =>
          withSite(wish, deadline, async (site) => {
            await site.checkRoom(await sizeOfPlacing(site.repository, found));
            await site.place(found.newCommit);
          }),
        failure: async (cause) => new ArtifactPlaceError(wish, { cause }),
      });
    },

    accept: (found, { signal }) => atSite(found, signal, (site) => site.accept()),
    takeBack: (found, { reason, signal }) => atSite(found, signal, (site) => site.takeBack(found.newCommit, reason)),
    changedPaths: (found, { signal }) =>
      atSite(found, signal, async ({ repository }) => {
        if (!(await isOurs(repository.folder))) return [];
        // For the hooks it is good to have; it is no reason to fail.
        const before = await knownCommit(repository, found.oldCommit);
        return shownPaths(await pathsBetween(repository, before, found.newCommit).catch(() => []));
      }),

    async tidyUp(tenantId, { signal }) {
      const where = placeOf(tenantId);
      await runJob(where, {
        signal,
        work: async (deadline) => {
          const tree = await tidyUp(where.path, deadline);
          // Opening releases does what is left; a clone in place is as good as it was.
          if (layout.hasReleases && (await layout.isInPlace(where.path)))
            await layout.open(where, { tree, signal: deadline });
        },
        failure: async (cause) => new ArtifactPlaceError(where, { cause }),
      });
    },

    async remove(tenantId, { signal }) {
      const where = placeOf(tenantId);
      const { path } = where;
      return await runJob(where, {
        signal,
        work: async (deadline) => {
          await tidyUp(path, deadline);
          await layout.tidyUp(path);
          return await removeContent(path, { log, signal: deadline, faults });
        },
        failure: async (cause) => new ArtifactPlaceError(where, { cause }),
      });
    },
  };

  /** Where the artifact of a tenant is, whatever is known of where it comes from. */
  function placeOf(tenantId: string): Wish {
    const path = artifactPath(config, { multiTenant, tenantId });
    return { tenantId, path, repoUrl: '', url: '', credential: null };
  }

  async function fetch(wish: Wish, job: FetchJob): Promise<Fetched> {
    const more = { ...job, config, log, isRelease: layout.hasReleases, ...facts };
    return await runJob(wish, {
      signal: job.signal,
      work: async (signal) => {
        const look = () => withSite(wish, signal, (site) => lookAt(site, wish, { ...more, signal }));
        // A clone that turns out to be damaged is made again, once.
        return await look().catch((error) => (error instanceof DamageError ? look() : Promise.reject(error)));
      },
      failure: async (cause) => await fetchFailure(wish, { cause, layout }),
    });
  }

  async function sizeOfPlacing(repository: Repository, { oldCommit, newCommit }: Found): Promise<TreeSize> {
    const before = await knownCommit(repository, oldCommit);
    return before === null
      ? await facts.sizeOf(repository, newCommit)
      : await sizeOfChange(repository, before, newCommit);
  }

  async function atSite<T>(found: Found, signal: AbortSignal, work: (site: Site) => Promise<T>): Promise<T> {
    const wish = wishFor(found);
    return await runJob(wish, {
      signal,
      work: (deadline) => withSite(wish, deadline, work),
      failure: async (cause) => new ArtifactPlaceError(wish, { cause }),
    });
  }
}

async function fetchFailure(wish: Wish, { cause, layout }: { cause: unknown; layout: Layout }): Promise<Error> {
  const Failure = (await layout.isInPlace(wish.path)) ? ArtifactFetchError : ArtifactCloneError;
  return new Failure(wish, { cause });
}
