import type { HookInputs } from '../plugins/contract.ts';
import { AgentError } from '../state/errors.ts';
import type { Deployment } from '../state/lifecycle/facts.ts';
import type { ArtifactUpdatedEvent } from '../state/messages/instance-notifier.ts';
import type { Artifacts } from './artifacts/artifacts.ts';
import type { Fetched } from './artifacts/clones.ts';
import { failure, type Log } from './log.ts';

/** What the machine knows of artifacts is small; here is the rest of it: events with credentials, lists of paths. */
export type Deployments = {
  /** The platform named a repository for one of our tenants; whether it can be used is told by the next `fetch`. */
  wanted(event: ArtifactUpdatedEvent): void;
  fetch(tenantId: string, signal: AbortSignal): Promise<Deployment>;
  place(found: Deployment, signal: AbortSignal): Promise<void>;
  /** What the hooks of an update are told; after a restart without the paths that changed. */
  hookInput(found: Deployment): HookInputs['artifactUpdated'];
};

export function createDeployments({ artifacts, log }: { artifacts: Artifacts; log: Log }): Deployments {
  const events = new Map<string, ArtifactUpdatedEvent>();
  const refused = new Map<string, AgentError>();
  const found = new Map<string, { fetched: Fetched; event: ArtifactUpdatedEvent | undefined }>();

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

  return {
    wanted(event) {
      events.set(event.tenantId, event);
      refused.delete(event.tenantId);
      try {
        artifacts.want({ ...event, repoPassword: event.repoPassword?.reveal() });
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        refused.set(event.tenantId, error);
      }
    },

    fetch: (tenantId, signal) =>
      attempt(tenantId, async () => {
        const refusal = refused.get(tenantId);
        if (refusal !== undefined) throw refusal;
        const fetched = await artifacts.fetch(tenantId, { signal });
        found.set(tenantId, { fetched, event: events.get(tenantId) });
        const { repoUrl, path, oldCommit, newCommit: commit, changed } = fetched;
        log.info({ event: 'artifact.fetched', tenantId, repoUrl, commit, changed }, 'artifact fetched');
        return { tenantId, commit, changed, path, repoUrl, oldCommit };
      }),

    place: (deployment, signal) =>
      attempt(deployment.tenantId, async () => {
        const { tenantId, repoUrl, path, oldCommit, commit } = deployment;
        const since = performance.now();
        await artifacts.place(foundFor(deployment).fetched, { signal });
        const durationMs = Math.round(performance.now() - since);
        log.info(
          { event: 'artifact.placed', tenantId, repoUrl, path, oldCommit, commit, durationMs },
          'artifact placed',
        );
      }),

    hookInput(deployment) {
      const { fetched, event } = foundFor(deployment);
      const { changed: _changed, ...told } = fetched;
      return { ...told, event: event ?? null };
    },
  };

  /** What was fetched; by an earlier run, when this one has fetched nothing for that tenant yet. */
  function foundFor({ commit, ...facts }: Deployment) {
    const it = found.get(facts.tenantId);
    if (it !== undefined) return it;
    return { fetched: { ...facts, newCommit: commit, changed: true, changedPaths: [] }, event: undefined };
  }
}
