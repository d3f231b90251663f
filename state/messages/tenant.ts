import { z } from 'zod';
import { id, listOf, TenantId } from './fields.ts';
import { readList } from './read-json.ts';

/** A customer of the platform. */
export const Tenant = z.object({ tenantId: TenantId, tenantDomain: id });
export type Tenant = z.infer<typeof Tenant>;

/** All tenants but the super tenant. @see protocol.md 4.3 */
export type CompleteTenantEvent = { readonly tenants: readonly Tenant[]; readonly problems: readonly string[] };

/** A tenant was added. */
export const TenantCreatedEvent = z.object({ tenant: Tenant });
export type TenantCreatedEvent = z.infer<typeof TenantCreatedEvent>;

/** A tenant's domain may have changed. */
export const TenantUpdatedEvent = Tenant;
export type TenantUpdatedEvent = Tenant;

/** A tenant is gone. No server sends it; accepted all the same. */
export const TenantRemovedEvent = z.object({ tenantId: TenantId });
export type TenantRemovedEvent = z.infer<typeof TenantRemovedEvent>;

/** A tenant subscribed to a service: platforms up to 4.1.0 only. */
export const TenantSubscribedEvent = z.object({ tenantId: TenantId, serviceName: id, clusterIds: listOf(z.string()) });
export type TenantSubscribedEvent = z.infer<typeof TenantSubscribedEvent>;

/** It no longer does. */
export const TenantUnSubscribedEvent = TenantSubscribedEvent;
export type TenantUnSubscribedEvent = TenantSubscribedEvent;

/**
 * A tenant that cannot be read is left out and named among the problems.
 *
 * @throws JsonSyntaxError, ZodError
 */
export function readCompleteTenantEvent(payload: Uint8Array): CompleteTenantEvent {
  const { items, problems } = readList(payload, 'tenants', Tenant);
  return { tenants: items, problems };
}
