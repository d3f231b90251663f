import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Artifacts, ArtifactsConfig } from '../artifacts/artifacts.ts';
import { artifactPath } from '../artifacts/paths.ts';
import { PluginCheckoutLostError, type PluginError } from './failures.ts';

/**
 * A plugin that cannot be loaded may be the one whose files are in place: whoever broke it did not ask for git, which
 * would put its own in their stead. So git is held back from what it has not placed itself; all else is its own.
 *
 * @param options - `placed`: the tenants whose files are in place, as far as is known; `lost`: a plugin that cannot be
 * loaded, if there is one
 */
export function heldBack(
  git: Artifacts,
  options: {
    readonly config: ArtifactsConfig;
    readonly multiTenant: boolean;
    readonly placed: ReadonlyMap<string, string>;
    readonly lost: PluginError | undefined;
  },
): Artifacts {
  const { config, placed, lost } = options;
  if (lost === undefined || config.layout === 'releases') return git;
  const check = (tenantId: string) => {
    const path = placed.has(tenantId) ? artifactPath(config, { ...options, tenantId }) : null;
    if (path !== null && isPlacedByOthers(path)) throw new PluginCheckoutLostError(path, { cause: lost });
  };

  return {
    ...git,
    async tidyUp(tenantId, job) {
      check(tenantId);
      await git.tidyUp(tenantId, job);
    },
    async fetch(tenantId, job) {
      check(tenantId);
      return await git.fetch(tenantId, job);
    },
    async place(found, job) {
      check(found.tenantId);
      await git.place(found, job);
    },
  };
}

/** Git leaves its own folder where it places files. What cannot be looked into, git itself complains about. */
function isPlacedByOthers(path: string): boolean {
  try {
    return readdirSync(path).length > 0 && !existsSync(join(path, '.git'));
  } catch {
    return false;
  }
}
