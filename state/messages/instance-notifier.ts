import { z } from 'zod';
import { Secret } from '../secret.ts';
import { id, optional, TenantId } from './fields.ts';

/**
 * Artifacts of a cluster are to be fetched: a member started, a repository changed, a tenant signed up. Comes again and
 * again for the same repository.
 *
 * @see protocol.md 4.4, 8.1
 */
export const ArtifactUpdatedEvent = z.object({
  clusterId: id.describe('Cluster the artifacts are for.'),
  status: optional(z.string()),
  repoUserName: optional(z.string()),
  repoPassword: optional(z.string().transform((text) => new Secret(text))).describe('Encrypted, protocol.md 8.6.'),
  repoURL: id.describe('Where to clone from.'),
  tenantId: TenantId,
  commitEnabled: optional(z.boolean()),
});
export type ArtifactUpdatedEvent = z.infer<typeof ArtifactUpdatedEvent>;

/** This member is to be taken down. */
export const InstanceCleanupMemberEvent = z.object({ memberId: id });
export type InstanceCleanupMemberEvent = z.infer<typeof InstanceCleanupMemberEvent>;

/** All members of one cluster instance are to be taken down; both ids must match. */
export const InstanceCleanupClusterEvent = z.object({ clusterId: id, clusterInstanceId: id });
export type InstanceCleanupClusterEvent = z.infer<typeof InstanceCleanupClusterEvent>;
