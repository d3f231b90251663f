import type { Facts } from './lifecycle/facts.ts';
import type { CompleteApplicationSignUpsEvent } from './messages/application-signup.ts';
import type { ArtifactUpdatedEvent } from './messages/instance-notifier.ts';

/**
 * The repositories a list of sign-ups has for one cluster, in the words of ArtifactUpdated: what its event said can be
 * learned again, and so need not be stored.
 *
 * @see protocol.md 4.4, 4.6; the shape of a cluster's id: 1.1
 */
export function repositoriesFor(
  { applicationId, clusterId }: { readonly applicationId: string; readonly clusterId: string },
  { applicationSignUps }: CompleteApplicationSignUpsEvent,
): ArtifactUpdatedEvent[] {
  return applicationSignUps
    .filter((signUp) => signUp.applicationId === applicationId)
    .flatMap(({ tenantId, artifactRepositories }) =>
      artifactRepositories
        .filter(({ alias, cartridgeType }) => isOf(clusterId, `${alias}.${cartridgeType}.domain`))
        .map(({ repoUrl, repoUsername, repoPassword }) => ({
          ...{ clusterId, tenantId, repoURL: repoUrl },
          ...{ status: undefined, repoUserName: repoUsername, repoPassword, commitEnabled: undefined },
        })),
    );
}

/**
 * Where an event says that the artifact is, if there is nothing secret about it: no user, no password, and nothing in the
 * URL that may be one. Only such a URL may be kept.
 */
export function publicUrlOf({ repoURL, repoUserName, repoPassword }: ArtifactUpdatedEvent): string | null {
  const hasCredential = Boolean(repoUserName) || (repoPassword !== undefined && repoPassword.reveal() !== '');
  const mayHoldSecret = /[?#\p{Cc}]|^https?:\/\/[^/]*@|\/\/[^/]*:[^/]*@/iu.test(repoURL.trim());
  return hasCredential || mayHoldSecret || repoURL.length > longestUrl ? null : repoURL.trim();
}

const longestUrl = 1_000;

/** What an earlier run was told to fetch, and has not, as far as that may be kept. */
export function publicRepositories(clusterId: string, facts: Pick<Facts, 'askedAt'> | null): ArtifactUpdatedEvent[] {
  return Object.entries(facts?.askedAt ?? {}).map(([tenantId, repoURL]) => ({
    ...{ clusterId, tenantId, repoURL },
    ...{ status: undefined, repoUserName: undefined, repoPassword: undefined, commitEnabled: undefined },
  }));
}

function isOf(clusterId: string, ending: string): boolean {
  return clusterId === ending || clusterId.endsWith(`.${ending}`);
}
