import { z } from 'zod';
import { ClusterInstance, ServiceHead } from './cluster.ts';
import { id, listOf, optional, PortMap, Properties } from './fields.ts';

// The changes the cloud controller announces, protocol.md 4.2. Those that carry whole clusters are in
// complete-topology.ts. `groupId`, `status` and `applicationId` are never filled, so they are not read.

const text = optional(z.string());
const texts = listOf(z.string());
const cluster = { serviceName: id, clusterId: id };
const placement = { clusterInstanceId: text, networkPartitionId: text, partitionId: text };
const member = { ...cluster, memberId: id, ...placement };
const addresses = {
  memberPublicIPs: texts,
  defaultPublicIP: text,
  memberPrivateIPs: texts,
  defaultPrivateIP: text,
};

/** A cartridge was added. */
export const ServiceCreatedEvent = ServiceHead;
export type ServiceCreatedEvent = z.infer<typeof ServiceCreatedEvent>;

/** A cartridge was removed; nothing uses it. */
export const ServiceRemovedEvent = z.object({ serviceName: id });
export type ServiceRemovedEvent = z.infer<typeof ServiceRemovedEvent>;

/** The last instance of an application was terminated. `serviceType` is the name of the service. */
export const ApplicationClustersRemovedEvent = z.object({
  appId: text,
  clusterData: listOf(z.object({ serviceType: id, clusterId: id })),
});
export type ApplicationClustersRemovedEvent = z.infer<typeof ApplicationClustersRemovedEvent>;

/** One cluster is gone. */
export const ClusterRemovedEvent = z.object(cluster);
export type ClusterRemovedEvent = z.infer<typeof ClusterRemovedEvent>;

/** The autoscaler made a cluster instance. */
export const ClusterInstanceCreatedEvent = z.object({ ...cluster, clusterInstance: ClusterInstance });
export type ClusterInstanceCreatedEvent = z.infer<typeof ClusterInstanceCreatedEvent>;

/** Enough of its members are active. */
export const ClusterInstanceActivatedEvent = z.object({
  ...cluster,
  instanceId: id,
  accessUrls: texts,
  loadBalancerIps: texts,
});
export type ClusterInstanceActivatedEvent = z.infer<typeof ClusterInstanceActivatedEvent>;

/** Too few of its members are active. The platform spells it without the last d. */
export const ClusterInstanceInactivateEvent = z.object({ ...cluster, instanceId: id });
export type ClusterInstanceInactivateEvent = z.infer<typeof ClusterInstanceInactivateEvent>;

/** Its members are being taken down. */
export const ClusterInstanceTerminatingEvent = ClusterInstanceInactivateEvent;
export type ClusterInstanceTerminatingEvent = ClusterInstanceInactivateEvent;

/** All its members are gone. */
export const ClusterInstanceTerminatedEvent = ClusterInstanceInactivateEvent;
export type ClusterInstanceTerminatedEvent = ClusterInstanceInactivateEvent;

/** It starts anew. */
export const ClusterResetEvent = ClusterInstanceInactivateEvent;
export type ClusterResetEvent = ClusterInstanceInactivateEvent;

/** A member is about to be started. */
export const MemberCreatedEvent = z.object({
  ...member,
  initTime: optional(z.number()).describe('When, in epoch ms, by the clock of the cloud controller.'),
  properties: Properties,
});
export type MemberCreatedEvent = z.infer<typeof MemberCreatedEvent>;

/** Its machine runs and has addresses. */
export const MemberInitializedEvent = z.object({ ...member, instanceId: text, ...addresses, properties: Properties });
export type MemberInitializedEvent = z.infer<typeof MemberInitializedEvent>;

/** The controller accepted its InstanceStarted. */
export const MemberStartedEvent = z.object(member);
export type MemberStartedEvent = z.infer<typeof MemberStartedEvent>;

/** The controller accepted its InstanceActivated. */
export const MemberActivatedEvent = z.object({ ...member, portMap: PortMap, ...addresses });
export type MemberActivatedEvent = z.infer<typeof MemberActivatedEvent>;

/** The controller accepted its InstanceMaintenanceMode. */
export const MemberMaintenanceModeEvent = z.object(member);
export type MemberMaintenanceModeEvent = z.infer<typeof MemberMaintenanceModeEvent>;

/** The controller accepted its InstanceReadyToShutdown. */
export const MemberReadyToShutdownEvent = z.object(member);
export type MemberReadyToShutdownEvent = z.infer<typeof MemberReadyToShutdownEvent>;

/** No server sends it; it has no `clusterInstanceId`. */
export const MemberSuspendedEvent = z.object(member);
export type MemberSuspendedEvent = z.infer<typeof MemberSuspendedEvent>;

/** Its machine is gone. */
export const MemberTerminatedEvent = z.object(member);
export type MemberTerminatedEvent = z.infer<typeof MemberTerminatedEvent>;
