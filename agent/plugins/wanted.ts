import type { WantedArtifact } from '../../plugins/contract.ts';
import { decryptPassword } from '../artifacts/password.ts';
import { artifactPath } from '../artifacts/paths.ts';
import { parseRepositoryUrl } from '../artifacts/url.ts';
import type { RepositoryEvent, WishConfig } from '../artifacts/wish.ts';

/** What a plugin is told of an artifact, but for what changes. Holds secrets: it stays in memory. */
export type Wanted = Omit<WantedArtifact, 'oldCommit'>;

/** Those `artifact.protocols` can name: for them it holds, whoever fetches. */
const gitProtocols = ['https', 'ssh', 'http', 'git', 'file'];

/**
 * Reads an event for a plugin: as for git, but with any scheme that is none of git's, and with the credentials whatever the
 * scheme.
 *
 * @throws RepositoryUrlError, ArtifactPathError, ArtifactTenantError, RepositoryPasswordError
 * @see protocol.md 8.1
 */
export function wantedOf(
  event: RepositoryEvent,
  config: WishConfig & { readonly branch: string | null },
  { multiTenant }: { multiTenant: boolean },
): Wanted {
  const { tenantId } = event;
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(event.repoURL.trim())?.[1]?.toLowerCase() ?? '';
  const protocols = gitProtocols.includes(scheme) ? config.protocols : [...config.protocols, scheme];
  const { repoUrl, user, password } = parseRepositoryUrl(event.repoURL, protocols);
  const known = password ?? decryptPassword(event.repoPassword, config.key);
  const userName = user ?? event.repoUserName?.trim() ?? '';
  return {
    tenantId,
    path: artifactPath(config, { multiTenant, tenantId }),
    repoUrl,
    branch: config.branch,
    credential: known === null ? null : { userName, password: known },
  };
}
