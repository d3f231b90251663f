import { z } from 'zod';
import { id, optional } from './fields.ts';

// Keys in the order in which they are written. What launch-params may lack is optional: an event without a partition
// harms the autoscaler's bookkeeping, one that is not sent harms the instance.
const where = {
  clusterInstanceId: optional(z.string()),
  networkPartitionId: optional(z.string()),
  partitionId: optional(z.string()),
  groupId: optional(z.string()),
};
const who = { serviceName: id, clusterId: id, memberId: id };

/** The instance has booted and starts its services. Never sent once the member is active. @see protocol.md 4.5 */
export const InstanceStartedEvent = z.strictObject({ applicationId: id, ...who, ...where });
export type InstanceStartedEvent = z.infer<typeof InstanceStartedEvent>;

/** Artifacts are in place and every port answers. */
export const InstanceActivatedEvent = z.strictObject({ ...who, instanceId: optional(z.string()), ...where });
export type InstanceActivatedEvent = z.infer<typeof InstanceActivatedEvent>;

/** The instance goes down: no new work, please. */
export const InstanceMaintenanceModeEvent = z.strictObject({ ...who, ...where });
export type InstanceMaintenanceModeEvent = z.infer<typeof InstanceMaintenanceModeEvent>;

/** The machine may be switched off. */
export const InstanceReadyToShutdownEvent = z.strictObject({ ...who, ...where });
export type InstanceReadyToShutdownEvent = z.infer<typeof InstanceReadyToShutdownEvent>;
