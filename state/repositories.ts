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

function isOf(clusterId: string, ending: string): boolean {
  return clusterId === ending || clusterId.endsWith(`.${ending}`);
}
