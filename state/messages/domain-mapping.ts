import { z } from 'zod';
import { id, optional, TenantId } from './fields.ts';

const mapping = { applicationId: id, tenantId: TenantId, serviceName: id, clusterId: id, domainName: id };

/** A domain name that leads to a cluster. */
export const DomainMapping = z.object({ ...mapping, contextPath: optional(z.string()) });
export type DomainMapping = z.infer<typeof DomainMapping>;

/** A tenant uses a domain name of its own. @see protocol.md 4.7 */
export const DomainMappingAddedEvent = DomainMapping;
export type DomainMappingAddedEvent = DomainMapping;

/** It does so no longer. */
export const DomainMappingRemovedEvent = z.object(mapping);
export type DomainMappingRemovedEvent = z.infer<typeof DomainMappingRemovedEvent>;
