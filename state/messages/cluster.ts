import { z } from 'zod';
import { id, listOf, optional, type Port, PortMap, Properties } from './fields.ts';
import type { Member } from './member.ts';

/** Where a cluster instance is in its life. @see protocol.md 5.4 */
export const ClusterStatus = z.enum(['Created', 'Active', 'Inactive', 'Patching', 'Terminating', 'Terminated']);
export type ClusterStatus = z.infer<typeof ClusterStatus>;

/** The run-time copy of a cluster in one network partition. */
export type ClusterInstance = {
  readonly instanceId: string;
  readonly alias: string | undefined;
  readonly networkPartitionId: string | undefined;
  readonly partitionId: string | undefined;
  readonly status: ClusterStatus;
};

/** The members that serve one cartridge of one application. @see protocol.md 3.1 */
export type Cluster = {
  readonly serviceName: string;
  readonly clusterId: string;
  readonly appId: string | undefined;
  readonly hostNames: readonly string[];
  readonly tenantRange: string | undefined;
  readonly properties: Properties;
  readonly loadBalancerIps: readonly string[];
  /** By cluster instance id. */
  readonly accessUrls: ReadonlyMap<string, readonly string[]>;
  readonly instances: ReadonlyMap<string, ClusterInstance>;
  readonly members: ReadonlyMap<string, Member>;
};

/** A kind of cartridge. */
export type Service = {
  readonly serviceName: string;
  readonly serviceType: string | undefined;
  readonly properties: Properties;
  readonly ports: readonly Port[];
  readonly clusters: ReadonlyMap<string, Cluster>;
};

/** A cluster instance as it is sent. */
export const ClusterInstance = z
  .object({
    instanceId: id,
    alias: optional(z.string()),
    networkPartitionId: optional(z.string()),
    partitionId: optional(z.string()),
    lifeCycleStateManager: z.object({ stateStack: z.array(ClusterStatus).min(1) }),
  })
  .transform(
    ({ lifeCycleStateManager, ...instance }): ClusterInstance => ({
      ...instance,
      status: lifeCycleStateManager.stateStack.at(-1) ?? 'Created',
    }),
  );

/** A cluster as it is sent, without its members and instances: those are read one by one. */
export const ClusterHead = z.object({
  serviceName: id,
  clusterId: id,
  appId: optional(z.string()),
  hostNames: listOf(z.string()),
  tenantRange: optional(z.string()),
  properties: Properties,
  loadBalancerIps: listOf(z.string()),
  accessUrls: z
    .record(z.string(), listOf(z.string()))
    .nullish()
    .transform((urls): Cluster['accessUrls'] => new Map(Object.entries(urls ?? {}))),
});

/** A service as it is sent, without its clusters; ServiceCreatedEvent has the same fields. */
export const ServiceHead = z.object({
  serviceName: id,
  serviceType: optional(z.string()),
  properties: Properties,
  portMap: PortMap,
});
