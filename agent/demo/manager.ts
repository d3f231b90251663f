import { createCipheriv } from 'node:crypto';
import type { EventName } from '../../state/messages/topics.ts';
import type { Message, Told } from './controller.ts';
import type { Installation, Repository } from './installation.ts';

/** The Stratos manager: what it says because of what an agent said. It keeps nothing that agents could change. */
export function answer(installation: Installation, { event, body }: Told): readonly Message[] {
  switch (event) {
    case 'CompleteTenantRequestEvent':
      return [completeTenants(installation)];
    case 'CompleteApplicationSignUpsRequestEvent':
      return [completeSignUps(installation)];
    case 'InstanceStartedEvent':
      return artifactsOf(installation, body);
    default:
      return [];
  }
}

export function completeTenants({ tenants }: Installation): Message {
  return says('CompleteTenantEvent', { tenants });
}

export function completeSignUps(installation: Installation): Message {
  const signUps = Map.groupBy(installation.repositories, ({ clusterId, tenantId }) => {
    const appId = installation.clusters.find((cluster) => cluster.clusterId === clusterId)?.appId ?? '';
    return `${tenantId} ${appId}`;
  });
  return says('CompleteApplicationSignUpsEvent', {
    applicationSignUps: [...signUps].map(([key, repositories]) => signUpOf(installation, key, repositories)),
  });
}

/** The artifacts of a repository are to be fetched: a hook of the git server called, or a member of its cluster started. */
export function artifactUpdated({ cartridgeKey }: Installation, repository: Repository): Message {
  const { clusterId, tenantId, url, username, password } = repository;
  return says('ArtifactUpdatedEvent', {
    clusterId,
    repoUserName: username,
    repoPassword: password === undefined ? undefined : encryptPassword(password, cartridgeKey),
    repoURL: url,
    tenantId: String(tenantId),
    commitEnabled: false,
  });
}

/**
 * AES in ECB mode with PKCS#7 padding, as Base64.
 *
 * @param key - 16, 24 or 32 ASCII characters
 * @see protocol.md 8.6
 */
export function encryptPassword(password: string, key: string): string {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null);
  return cipher.update(password, 'utf8', 'base64') + cipher.final('base64');
}

/** Sent for a member of any status, but only if the event says which cluster it is about. @see protocol.md 4.5 */
function artifactsOf(installation: Installation, body: Told['body']): readonly Message[] {
  const [applicationId, serviceName, clusterId] = [body['applicationId'], body['serviceName'], body['clusterId']];
  if (!applicationId || !serviceName || !clusterId) return [];
  return installation.repositories
    .filter((repository) => repository.clusterId === clusterId)
    .map((repository) => artifactUpdated(installation, repository));
}

function signUpOf(installation: Installation, key: string, repositories: readonly Repository[]): object {
  const [tenantId, applicationId] = key.split(' ');
  return {
    tenantId: Number(tenantId),
    applicationId,
    artifactRepositories: repositories.map((repository) => repositoryOf(installation, repository)),
    clusterIds: [...new Set(repositories.map(({ clusterId }) => clusterId))],
    signupAddedTimestamp: 1_485_913_600_000,
  };
}

/** Spelt differently here than in the artifact event. @see protocol.md 4.4 */
function repositoryOf(installation: Installation, { clusterId, url, username, password }: Repository): object {
  const cluster = installation.clusters.find((one) => one.clusterId === clusterId);
  return {
    cartridgeType: cluster?.serviceName,
    alias: cluster?.alias,
    privateRepo: password !== undefined,
    repoUrl: url,
    repoUsername: username,
    repoPassword: password === undefined ? undefined : encryptPassword(password, installation.cartridgeKey),
  };
}

function says(event: EventName, body: object): Message {
  return { from: 'stratos manager', event, body };
}
