import type { WantedArtifact } from '../../plugins/contract.ts';
import type { Provenance } from '../../state/provenance.ts';
import { type Artifacts, type ArtifactsConfig, createArtifacts, type Found } from '../artifacts/artifacts.ts';
import { ArtifactUnknownError } from '../artifacts/failures.ts';
import type { Fetched } from '../artifacts/fetched.ts';
import type { FetchJob } from '../artifacts/fetching.ts';
import { emptyFolder } from '../artifacts/files/empty.ts';
import { readMounts } from '../artifacts/files/mounts.ts';
import { artifactPath, checkNoLinks } from '../artifacts/paths.ts';
import { createTurns } from '../artifacts/turns.ts';
import type { Log } from '../log.ts';
import { PluginCallError } from './failures.ts';
import { heldBack } from './held-back.ts';
import type { PluginHost } from './host.ts';
import type { PluginCheckout, PluginCommit, WorkCall } from './take-over.ts';
import { unlessAborted } from './unless-aborted.ts';
import { type Wanted, wantedOf } from './wanted.ts';

type Options = Parameters<typeof createArtifacts>[0] & {
  readonly plugins: Pick<PluginHost, 'checkout' | 'commit' | 'problems'>;
  /** What an earlier run has left in place. */
  readonly inPlace: readonly Provenance[];
};

/**
 * The artifacts of this instance: by git, unless a plugin has taken over how they come here (`checkout`), or how local
 * changes go back (`commit`).
 *
 * @see plugins.md, "A plugin in TypeScript"
 */
export function createPluggableArtifacts({ plugins, inPlace, ...options }: Options): Artifacts {
  const [checkout, commit] = [plugins.checkout(), plugins.commit()];
  const placed = new Map(inPlace.filter(isInPlace).map(({ tenantId, commit: version }) => [tenantId, version]));
  const lost =
    checkout === null
      ? plugins.problems().find(({ isConfiguration, lasting }) => !isConfiguration && lasting)
      : undefined;
  if (checkout === null && commit === null) return heldBack(createArtifacts(options), { ...options, placed, lost });
  // What git itself would commit, or take for drift, is the business of the plugin.
  const ofGit = commit === null ? options.config : { ...options.config, commitEnabled: false, drift: 'keep' as const };
  const git = heldBack(createArtifacts({ ...options, config: ofGit }), { ...options, placed, lost });
  return takenOver(git, { ...options, checkout, commit, placed });
}

function isInPlace({ what }: Provenance): boolean {
  return what !== 'removed';
}

type Work = {
  readonly config: ArtifactsConfig;
  readonly multiTenant: boolean;
  readonly log: Log;
  readonly checkout: PluginCheckout | null;
  readonly commit: PluginCommit | null;
  /** The version in place, by tenant. */
  readonly placed: Map<string, string>;
};

function takenOver(git: Artifacts, { config, multiTenant, log, checkout, commit, placed }: Work): Artifacts {
  const wishes = new Map<string, Wanted>();
  const failures = new Map<string, number>();
  const inTurn = createTurns();

  /** One call of a plugin: alone at its path, and within artifact.timeout. */
  async function run<T>(
    by: { readonly plugin: string; readonly what: string; readonly signal: AbortSignal },
    wanted: Wanted,
    work: (wanted: WantedArtifact, call: WorkCall) => Promise<T>,
  ): Promise<T> {
    const { tenantId, path } = wanted;
    const attempt = 1 + (failures.get(tenantId) ?? 0);
    const timeout = AbortSignal.timeout(config.timeoutMs);
    const signal = AbortSignal.any([by.signal, timeout]);
    try {
      if (config.path !== null) await checkNoLinks(config.path, path);
      const oldCommit = placed.get(tenantId) ?? null;
      const result = await unlessAborted(work({ ...wanted, oldCommit }, { signal, attempt, onStatus }), signal);
      failures.delete(tenantId);
      return result;
    } catch (thrown) {
      by.signal.throwIfAborted();
      failures.set(tenantId, attempt);
      if (timeout.aborted) throw new PluginCallError(by.plugin, by.what, `not done in ${config.timeoutMs} ms`);
      throw thrown;
    }

    function onStatus(text: string): void {
      log.info({ event: 'artifact.progress', tenantId, plugin: by.plugin, text }, 'artifact on its way');
    }
  }

  /** Local changes go back before anything comes: it would be in their way. */
  async function commitFirst(wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { tenantId } = wanted;
    if (commit === null || !config.commitEnabled || !placed.has(tenantId)) return;
    const made = await run({ plugin: commit.plugin, what: 'commit', signal }, wanted, commit.commit);
    if (made === null) return;
    placed.set(tenantId, made);
    log.info({ event: 'artifact.committed', tenantId, commit: made, plugin: commit.plugin }, 'local changes went back');
  }

  async function fetchBy(by: PluginCheckout, wanted: Wanted, { trigger, signal }: FetchJob): Promise<Fetched> {
    const { tenantId, path, repoUrl } = wanted;
    const oldCommit = placed.get(tenantId) ?? null;
    const isHeldBack = trigger === 'interval' && !config.autoCheckout && oldCommit !== null;
    const found = isHeldBack
      ? { newCommit: oldCommit }
      : await run({ plugin: by.plugin, what: 'fetch', signal }, wanted, by.fetch);
    const { newCommit, changedPaths = [], subject = '' } = found;
    return {
      ...{ tenantId, path, repoUrl, oldCommit, newCommit, changed: newCommit !== oldCommit, subject },
      changedPaths: changedPaths.slice(0, 10_000),
      ...{ authorDate: null, fingerprint: null, signedBy: null, rejection: null, isRelease: false, drift: null },
    };
  }

  /** After a restart an update may go on before any event has said where it comes from. */
  function wishFor({ tenantId, path, repoUrl }: Found): Wanted {
    return wishes.get(tenantId) ?? { tenantId, path, repoUrl, branch: config.branch, credential: null };
  }

  const common: Pick<Artifacts, 'want' | 'isKnown' | 'tidyUp' | 'forget' | 'fetch'> = {
    want(event) {
      const wanted = wantedOf(event, config, { multiTenant });
      if (checkout === null) git.want(event);
      wishes.set(event.tenantId, wanted);
      return { tenantId: wanted.tenantId, repoUrl: wanted.repoUrl };
    },

    isKnown: (tenantId) => wishes.has(tenantId),

    // Versions that a plugin has placed are its own.
    tidyUp: checkout === null ? git.tidyUp : async () => {},

    forget(tenantId) {
      wishes.delete(tenantId);
      git.forget(tenantId);
    },

    async fetch(tenantId, job) {
      const wanted = wishes.get(tenantId);
      if (wanted === undefined) throw new ArtifactUnknownError(tenantId);
      return await inTurn(wanted.path, job.signal, async () => {
        await commitFirst(wanted, job.signal);
        const found = checkout === null ? await git.fetch(tenantId, job) : await fetchBy(checkout, wanted, job);
        const now = found.changed ? found.oldCommit : found.newCommit;
        if (now !== null) placed.set(tenantId, now);
        return found;
      });
    },
  };
  if (checkout === null) {
    const place: Artifacts['place'] = async (found, job) => {
      await git.place(found, job);
      placed.set(found.tenantId, found.newCommit);
    };
    return { ...git, ...common, place };
  }

  return {
    ...common,

    async place(found, { signal }) {
      if (!found.changed) return;
      const { tenantId, path, newCommit } = found;
      await inTurn(path, signal, () =>
        run({ plugin: checkout.plugin, what: 'place', signal }, wishFor(found), (wanted, call) =>
          checkout.place({ ...wanted, newCommit }, call),
        ),
      );
      placed.set(tenantId, newCommit);
    },

    // Versions of a plugin have no folder of their own: there is no way back.
    accept: async () => {},
    takeBack: async () => null,
    changedPaths: async () => [],

    /** What an earlier agent has cloned there goes, too. */
    async remove(tenantId, job) {
      const path = artifactPath(config, { multiTenant, tenantId });
      return await inTurn(path, job.signal, async () => {
        const wasCloned = await git.remove(tenantId, job);
        if (!placed.has(tenantId)) return wasCloned;
        if (config.path !== null) await checkNoLinks(config.path, path);
        const mounts = await readMounts();
        await emptyFolder(path, { except: [], mounts, signal: job.signal }).catch(ignoreMissing);
        placed.delete(tenantId);
        return true;
      });
    },
  };
}

function ignoreMissing(thrown: unknown): void {
  if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown;
}
