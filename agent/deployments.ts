import type { HookInputs } from '../plugins/contract.ts';
import { AgentError } from '../state/errors.ts';
import type { Trigger } from '../state/lifecycle/context.ts';
import type { Deployment, Facts } from '../state/lifecycle/facts.ts';
import type { ArtifactUpdatedEvent } from '../state/messages/instance-notifier.ts';
import type { Provenance } from '../state/provenance.ts';
import type { Artifacts } from './artifacts/artifacts.ts';
import type { Drift, Fetched } from './artifacts/fetched.ts';
import type { GitProgress } from './artifacts/git/git.ts';
import { failure, type Log } from './log.ts';

/** What the machine knows of artifacts is small; here is the rest of it: events with credentials, lists of paths. */
export type Deployments = {
  /** The platform named a repository for one of our tenants; whether it can be used is told by the next `fetch`. */
  wanted(event: ArtifactUpdatedEvent): void;
  /** The platform listed it: only of use while no event has named it. @returns whether that is news */
  told(repository: ArtifactUpdatedEvent): boolean;
  /** The tenant has left: nobody asks for its repository again. */
  forget(tenantId: string): void;
  fetch(tenantId: string, job: { trigger: Trigger; signal: AbortSignal }): Promise<Deployment>;
  place(found: Deployment, signal: AbortSignal): Promise<void>;
  accept(found: Deployment, signal: AbortSignal): Promise<void>;
  /** @throws {@link NothingToReturnToError} */
  takeBack(found: Deployment, job: { reason: string; signal: AbortSignal }): Promise<Deployment>;
  remove(tenantId: string, signal: AbortSignal): Promise<void>;
  /** What a killed run has left is removed, also where nothing is fetched any more. Never rejects. */
  tidyUp(facts: Facts | null, signal: AbortSignal): Promise<void>;
  /** What the hooks of an update are told. */
  hookInput(found: Deployment, signal: AbortSignal): Promise<HookInputs['artifactUpdated']>;
};

/** What becomes known about artifacts, for whoever keeps or shows it. */
export type ArtifactEvents = {
  recorded(record: Provenance): void;
  /** At a regular look, so many files were not as they should be. */
  looked(tenantId: string, driftedFiles: number): void;
  /** Others have changed other files than last time; none when all is as it should be again. */
  drifted(tenantId: string, path: string, drift: Drift): void;
  /** Null when the job has ended. */
  progressed(tenantId: string, progress: GitProgress | null): void;
};

/** A commit did not work, and no earlier one is there. */
export class NothingToReturnToError extends AgentError {
  override readonly name = 'NothingToReturnToError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_NO_WAY_BACK';
  readonly remedy = 'Push a commit that works; what was found wrong with this one is in the log.';
}

/** @param parts - `branch`, `commitEnabled`: as configured */
export function createDeployments({
  artifacts,
  branch,
  commitEnabled,
  events: { recorded, looked, drifted, progressed },
  log,
}: {
  artifacts: Artifacts;
  branch: string | null;
  commitEnabled: boolean;
  events: ArtifactEvents;
  log: Log;
}): Deployments {
  const events = new Map<string, ArtifactUpdatedEvent>();
  const refused = new Map<string, AgentError>();
  /** Those that a look has failed over: the next ones go on with what was known before. */
  const toldRefusals = new WeakSet<AgentError>();
  const known = new Map<string, Looked>();
  const inPlace = new Map<string, string>();
  const lastFound = new Map<string, string>();
  const lastDrift = new Map<string, string>();

  /** Logs a failure where it is handled: the machine goes on from here, it waits and tries again. */
  async function attempt<T>(tenantId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof AgentError) {
        const facts = { event: 'artifact.failed', tenantId, ...failure(error) };
        log[error.lasting ? 'error' : 'warn'](facts, 'artifact not in place, trying again');
      }
      throw error;
    }
  }

  /** Whether it can be used; where not, what was known before still counts. */
  function want(event: ArtifactUpdatedEvent): boolean {
    try {
      artifacts.want({ ...event, repoPassword: event.repoPassword?.reveal() });
      refused.delete(event.tenantId);
      return true;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      refused.set(event.tenantId, error);
      return false;
    }
  }

  /** Once for each set of files, not at each look. */
  function tellDrift({ tenantId, path, repoUrl, oldCommit, drift }: Fetched): void {
    if (drift === null || oldCommit === null) return;
    const { paths } = drift;
    looked(tenantId, drift.restored ? 0 : paths.length);
    const shown = JSON.stringify(paths);
    const isNews = shown !== (lastDrift.get(tenantId) ?? '[]');
    lastDrift.set(tenantId, drift.restored ? '[]' : shown);
    if (!isNews) return;
    if (paths.length > 0) {
      const what = drift.restored ? 'restored' : 'drifted';
      const message = drift.restored ? 'files that others have changed are put back' : 'others have changed files';
      log.warn({ event: `artifact.${what}`, tenantId, path, paths: paths.slice(0, 20) }, message);
      const inPlace = { tenantId, path, repoUrl, commit: oldCommit, oldCommit: null };
      recorded(recordOf(inPlace, { what, trigger: 'interval', paths: [...paths], changedFiles: paths.length }));
    }
    drifted(tenantId, path, drift);
  }

  function recordOf(found: Recorded, more: Partial<Provenance> & Pick<Provenance, 'what' | 'trigger'>): Provenance {
    const looked = known.get(found.tenantId);
    const fetched = looked?.fetched?.newCommit === found.commit ? looked.fetched : undefined;
    const { tenantId, repoUrl, commit, oldCommit } = found;
    return {
      at: new Date().toISOString(),
      ...{ tenantId, repoUrl, branch, commit, oldCommit },
      authorDate: fetched?.authorDate ?? null,
      subject: fetched?.subject ?? null,
      fingerprint: fetched?.fingerprint ?? null,
      signedBy: fetched?.signedBy ?? null,
      changedFiles: fetched?.changedPaths.length ?? null,
      durationMs: null,
      reason: null,
      paths: [],
      ...more,
    };
  }

  return {
    wanted(event) {
      if (want(event)) events.set(event.tenantId, event);
    },

    told(repository) {
      const { tenantId } = repository;
      if (!refused.has(tenantId) && (events.has(tenantId) || artifacts.isKnown(tenantId))) return false;
      const wasRefused = refused.has(tenantId);
      // One that cannot be used is told once, by the look at it.
      return want(repository) || !wasRefused;
    },

    forget(tenantId) {
      artifacts.forget(tenantId);
      for (const map of [events, refused, lastDrift]) map.delete(tenantId);
    },

    fetch: (tenantId, { trigger, signal }) =>
      attempt(tenantId, async () => {
        const refusal = refused.get(tenantId);
        if (refusal !== undefined && (!toldRefusals.has(refusal) || !artifacts.isKnown(tenantId))) {
          toldRefusals.add(refusal);
          throw refusal;
        }
        const since = performance.now();
        const onProgress = (progress: GitProgress) => progressed(tenantId, progress);
        const fetched = await artifacts
          .fetch(tenantId, { trigger, signal, onProgress })
          .finally(() => progressed(tenantId, null));
        const { repoUrl, path, oldCommit, newCommit: commit, changed, isRelease, rejection } = fetched;
        const durationMs = performance.now() - since;
        // One that is held up is found at each look.
        const isNews = changed && lastFound.get(tenantId) !== commit;
        lastFound.set(tenantId, commit);
        const before = inPlace.get(tenantId) ?? null;
        const placed = changed ? oldCommit : commit;
        if (placed !== null) inPlace.set(tenantId, placed);
        const isOther = !changed && before !== null && before !== commit;
        // What is in place has its facts already.
        if (changed || isOther || !known.has(tenantId))
          known.set(tenantId, { fetched, trigger, durationMs, event: events.get(tenantId) });
        // The same files as another commit: that of what was changed here, or one of the remote.
        if (isOther) {
          const change = { tenantId, path, repoUrl, commit, oldCommit: before, newCommit: commit, changed: true };
          const paths = [...(await artifacts.changedPaths(change, { signal }))];
          const what = commitEnabled ? 'committed' : 'placed';
          recorded(recordOf(change, { what, trigger, paths, changedFiles: paths.length }));
        }
        const level = trigger === 'interval' && !isNews ? 'debug' : 'info';
        log[level]({ event: 'artifact.fetched', tenantId, repoUrl, commit, changed, trigger }, 'artifact fetched');
        tellDrift(fetched);
        const warning =
          rejection === null ? (refusal?.message ?? null) : `commit ${commit.slice(0, 7)} was taken back: ${rejection}`;
        return {
          tenantId,
          commit,
          changed,
          path,
          repoUrl,
          oldCommit,
          isRelease,
          rejected: rejection !== null,
          warning,
        };
      }),

    place: (found, signal) =>
      attempt(found.tenantId, async () => {
        const { tenantId, repoUrl, path, oldCommit, commit } = found;
        const since = performance.now();
        await artifacts.place({ ...found, newCommit: commit }, { signal });
        const looked = known.get(tenantId);
        const durationMs = Math.round((looked?.durationMs ?? 0) + performance.now() - since);
        if (looked !== undefined) known.set(tenantId, { ...looked, durationMs });
        lastDrift.delete(tenantId);
        inPlace.set(tenantId, commit);
        log.info(
          { event: 'artifact.placed', tenantId, repoUrl, path, oldCommit, commit, durationMs },
          'artifact placed',
        );
        if (found.changed)
          recorded(recordOf(found, { what: 'placed', trigger: looked?.trigger ?? 'restart', durationMs }));
      }),

    accept: (found, signal) => artifacts.accept({ ...found, newCommit: found.commit }, { signal }),

    takeBack: (found, { reason, signal }) =>
      attempt(found.tenantId, async () => {
        const { tenantId, path, repoUrl, commit: bad } = found;
        const commit = await artifacts.takeBack({ ...found, newCommit: bad }, { reason, signal });
        if (commit === null)
          throw new NothingToReturnToError('cannot return to an earlier commit', { facts: { path } });
        const returned = { ...found, commit, oldCommit: bad };
        log.warn(
          { event: 'artifact.rolled-back', tenantId, path, repoUrl, commit, from: bad, reason },
          'commit taken back',
        );
        known.set(tenantId, { fetched: null, trigger: 'rollback', durationMs: null, event: undefined });
        inPlace.set(tenantId, commit);
        recorded(recordOf(returned, { what: 'rolledBack', trigger: 'rollback', reason }));
        return returned;
      }),

    remove: (tenantId, signal) =>
      attempt(tenantId, async () => {
        const commit = inPlace.get(tenantId) ?? '';
        if (!(await artifacts.remove(tenantId, { signal }))) return;
        for (const map of [known, inPlace, lastFound]) map.delete(tenantId);
        const found = {
          tenantId,
          commit,
          repoUrl: '',
          path: '',
          oldCommit: null,
          changed: true,
          rejected: false,
          warning: null,
          isRelease: false,
        };
        recorded(recordOf(found, { what: 'removed', trigger: 'event', repoUrl: null }));
      }),

    async tidyUp(facts, signal) {
      if (facts === null) return;
      const { asked, deployed, removals, unsuccessful, unsettled } = facts;
      const begun = unsettled === null ? [] : [unsettled.found.tenantId];
      const tenants = new Set([...asked, ...deployed, ...removals, ...Object.keys(unsuccessful), ...begun]);
      await Promise.allSettled([...tenants].map((tenantId) => artifacts.tidyUp(tenantId, { signal })));
    },

    async hookInput(found, signal) {
      const { tenantId, path, repoUrl, oldCommit, commit: newCommit } = found;
      const looked = known.get(tenantId);
      const fetched = looked?.fetched?.newCommit === newCommit ? looked.fetched : undefined;
      const changedPaths = fetched?.changedPaths ?? (await artifacts.changedPaths({ ...found, newCommit }, { signal }));
      const { authorDate = null, subject = null, fingerprint = null, signedBy = null } = fetched ?? {};
      const told = { tenantId, path, repoUrl, branch, oldCommit, newCommit, changedPaths };
      const duration = looked?.durationMs ?? null;
      const why = {
        trigger: looked?.trigger ?? ('restart' as const),
        durationMs: duration === null ? null : Math.round(duration),
      };
      const facts = { authorDate, subject, fingerprint, signedBy, ...why };
      return { ...told, ...facts, event: looked?.trigger === 'event' ? (looked.event ?? null) : null };
    },
  };
}

type Recorded = Pick<Provenance, 'tenantId' | 'repoUrl' | 'commit' | 'oldCommit'>;

/** What was found at the last look that found something. */
type Looked = {
  /** Null: it was the way back to an earlier commit. */
  readonly fetched: Fetched | null;
  readonly trigger: Trigger | 'rollback';
  readonly durationMs: number | null;
  readonly event: ArtifactUpdatedEvent | undefined;
};
