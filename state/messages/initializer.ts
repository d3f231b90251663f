import { z } from 'zod';

/** Asks the cloud controller for the complete topology; everybody gets the answer. @see protocol.md 4.1 */
export const CompleteTopologyRequestEvent = z.strictObject({});
export type CompleteTopologyRequestEvent = z.infer<typeof CompleteTopologyRequestEvent>;

/** Asks the manager for all tenants. */
export const CompleteTenantRequestEvent = z.strictObject({});
export type CompleteTenantRequestEvent = z.infer<typeof CompleteTenantRequestEvent>;

/** Asks the manager for all sign-ups. */
export const CompleteApplicationSignUpsRequestEvent = z.strictObject({});
export type CompleteApplicationSignUpsRequestEvent = z.infer<typeof CompleteApplicationSignUpsRequestEvent>;

/** Asks the autoscaler for all applications. The agent never does; others do. */
export const CompleteApplicationsRequestEvent = z.strictObject({});
export type CompleteApplicationsRequestEvent = z.infer<typeof CompleteApplicationsRequestEvent>;
