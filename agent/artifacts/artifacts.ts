import type { Faults } from '../faults.ts';
import type { Log } from '../log.ts';
import { type Clones, createClones, type Fetched } from './clones.ts';
import {
  ArtifactCloneError,
  ArtifactFetchError,
  ArtifactPlaceError,
  ArtifactTimeoutError,
  ArtifactUnknownError,
} from './failures.ts';
import { createGit, type GitProgress } from './git.ts';
import { isForeign } from './repository.ts';
import { createTurns } from './turns.ts';
import { type RepositoryEvent, type Wish, type WishConfig, wishOf } from './wish.ts';

/** What the artifacts of an instance depend on. */
export interface ArtifactsConfig extends WishConfig {
  /** Null for the default branch of each repository. */
  readonly branch: string | null;
  /** For one fetch, and for one placing. */
  readonly timeoutMs: number;
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
  /**
   * Brings the newest commit to this instance. No file in place is touched: until `place`, the old content serves.
   *
   * @throws ArtifactUnknownError, ArtifactCloneError, ArtifactFetchError, ArtifactTimeoutError, the signal's reason
   */
  fetch(tenantId: string, job: { signal: AbortSignal; onProgress?: (progress: GitProgress) => void }): Promise<Fetched>;
  /**
   * Puts a fetched commit in place; does nothing when nothing has changed. Safe to do twice; after a restart, and for a
   * first commit, what was fetched may be gone: that is a failure, and fetching again mends it.
   *
   * @throws ArtifactPlaceError, ArtifactTimeoutError, the signal's reason
   */
  place(fetched: Fetched, job: { signal: AbortSignal }): Promise<void>;
}

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
  const { config, multiTenant, stateDir, log, environment = process.env, faults } = options;
  const git = createGit({ protocols: config.protocols, environment, ...(faults && { faults }) });
  const clones = createClones({ git, stateDir, branch: config.branch, log });
  const runJob = createJobs(config.timeoutMs);
  const wishes = new Map<string, Wish>();

  function wishOfTenant(tenantId: string): Wish {
    const wish = wishes.get(tenantId);
    if (wish === undefined) throw new ArtifactUnknownError(tenantId);
    return wish;
  }

  return {
    want(event) {
      const wish = wishOf(event, config, { multiTenant });
      wishes.set(wish.tenantId, wish);
      return { tenantId: wish.tenantId, repoUrl: wish.repoUrl };
    },

    async fetch(tenantId, { signal, onProgress }) {
      const wish = wishOfTenant(tenantId);
      return await runJob(wish, {
        signal,
        work: (deadline) => clones.fetch(wish, { signal: deadline, ...(onProgress && { onProgress }) }),
        failure: async (cause) => await fetchFailure(wish, { cause, clones }),
      });
    },

    async place(fetched, { signal }) {
      if (!fetched.changed) return;
      // After a restart no event may have named it yet: what was fetched is on this disk, and needs no credentials.
      const wish = wishes.get(fetched.tenantId) ?? { ...fetched, url: fetched.repoUrl, credential: null };
      await runJob(wish, {
        signal,
        work: (deadline) => clones.place(wish, fetched.newCommit, { signal: deadline }),
        failure: async (cause) => new ArtifactPlaceError(wish, { cause }),
      });
    },
  };
}

/** One job at a time per path, each with a deadline that starts with its turn. */
function createJobs(timeoutMs: number) {
  const inTurn = createTurns();
  return <T>(
    wish: Wish,
    job: {
      signal: AbortSignal;
      work: (deadline: AbortSignal) => Promise<T>;
      failure: (cause: unknown) => Promise<Error>;
    },
  ): Promise<T> =>
    inTurn(wish.path, job.signal, async () => {
      const timeout = AbortSignal.timeout(timeoutMs);
      try {
        return await job.work(AbortSignal.any([job.signal, timeout]));
      } catch (error) {
        job.signal.throwIfAborted();
        if (timeout.aborted) throw new ArtifactTimeoutError(wish, { timeoutMs });
        throw isForeign(error) ? await job.failure(error) : error;
      }
    });
}

async function fetchFailure(wish: Wish, { cause, clones }: { cause: unknown; clones: Clones }): Promise<Error> {
  const Failure = (await clones.isInPlace(wish.path)) ? ArtifactFetchError : ArtifactCloneError;
  return new Failure(wish, { cause });
}
