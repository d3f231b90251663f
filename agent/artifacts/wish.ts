import { Secret } from '../../state/secret.ts';
import type { Credential } from './git/git.ts';
import { decryptPassword } from './password.ts';
import { type ArtifactPaths, artifactPath } from './paths.ts';
import { parseRepositoryUrl, type Remote } from './url.ts';

/** What is used of ArtifactUpdated. */
export interface RepositoryEvent {
  readonly repoURL: string;
  readonly repoUserName?: string | null | undefined;
  /** Encrypted with CARTRIDGE_KEY; blank for none. */
  readonly repoPassword?: string | null | undefined;
  readonly tenantId: string;
}

/** What a tenant is to be given, and where from. Holds secrets: it stays in memory. */
export interface Wish {
  readonly tenantId: string;
  /** Absolute. */
  readonly path: string;
  /** For messages: without user info. */
  readonly repoUrl: string;
  /** For git: without password. */
  readonly url: string;
  readonly credential: Credential | null;
}

/** What decides whether an event can be used. */
export interface WishConfig extends ArtifactPaths {
  /** CARTRIDGE_KEY. */
  readonly key: Secret | null;
  /** Git's names, in lower case. */
  readonly protocols: readonly string[];
}

/**
 * Reads an event, and checks all of it that can be checked without the network.
 *
 * @throws RepositoryUrlError, ArtifactPathError, ArtifactTenantError, RepositoryPasswordError
 * @see protocol.md 8.1
 */
export function wishOf(event: RepositoryEvent, config: WishConfig, { multiTenant }: { multiTenant: boolean }): Wish {
  const { tenantId } = event;
  const remote = parseRepositoryUrl(event.repoURL, config.protocols);
  const path = artifactPath(config, { multiTenant, tenantId });
  return {
    tenantId,
    path,
    repoUrl: remote.repoUrl,
    url: remote.url,
    credential: credentialOf(remote, event, config.key),
  };
}

/** A user name in the URL is kept, and gets the event's password unless it has its own (protocol.md 8.3). */
function credentialOf(
  { origin, user, password }: Remote,
  event: RepositoryEvent,
  key: Secret | null,
): Credential | null {
  if (origin === null) return null;
  const known = password ?? decryptPassword(event.repoPassword, key);
  const name = user ?? event.repoUserName?.trim() ?? '';
  if (name === '' && known === null) return null;
  return { origin, user: name, password: known ?? new Secret('') };
}
