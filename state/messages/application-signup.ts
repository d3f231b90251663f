import { z } from 'zod';
import { DomainMapping } from './domain-mapping.ts';
import { id, listOf, TenantId } from './fields.ts';
import { readList } from './read-json.ts';

/** A tenant's subscription to an application. Its repositories, and their passwords, are not read. */
export const ApplicationSignUp = z.object({
  applicationId: id,
  tenantId: TenantId,
  clusterIds: listOf(z.string()),
  domainMappings: listOf(DomainMapping),
});
export type ApplicationSignUp = z.infer<typeof ApplicationSignUp>;

/** All sign-ups of all applications. @see protocol.md 4.6 */
export type CompleteApplicationSignUpsEvent = {
  readonly applicationSignUps: readonly ApplicationSignUp[];
  readonly problems: readonly string[];
};

/** A tenant signed up; the artifacts event follows. */
export const ApplicationSignUpAddedEvent = z.object({
  applicationId: id,
  tenantId: TenantId,
  clusterIds: listOf(z.string()),
});
export type ApplicationSignUpAddedEvent = z.infer<typeof ApplicationSignUpAddedEvent>;

/** A tenant leaves, or the application is undeployed. */
export const ApplicationSignUpRemovedEvent = z.object({ applicationId: id, tenantId: TenantId });
export type ApplicationSignUpRemovedEvent = z.infer<typeof ApplicationSignUpRemovedEvent>;

/**
 * A sign-up that cannot be read is left out and named among the problems.
 *
 * @throws JsonSyntaxError, ZodError
 */
export function readCompleteApplicationSignUpsEvent(payload: Uint8Array): CompleteApplicationSignUpsEvent {
  const { items, problems } = readList(payload, 'applicationSignUps', ApplicationSignUp);
  return { applicationSignUps: items, problems };
}
