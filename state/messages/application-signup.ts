import { z } from 'zod';
import { Secret } from '../secret.ts';
import { DomainMapping } from './domain-mapping.ts';
import { id, listOf, optional, TenantId } from './fields.ts';
import { readList } from './read-json.ts';

/** Where the artifacts of one cartridge of a sign-up come from; spelled differently from ArtifactUpdated. */
const ArtifactRepository = z.object({
  cartridgeType: id,
  alias: id,
  repoUrl: id,
  repoUsername: optional(z.string()),
  repoPassword: optional(z.string().transform((text) => new Secret(text))).describe('Encrypted, protocol.md 8.6.'),
});

/** A tenant's subscription to an application. */
export const ApplicationSignUp = z.object({
  applicationId: id,
  tenantId: TenantId,
  clusterIds: listOf(z.string()),
  domainMappings: listOf(DomainMapping),
});
export type ApplicationSignUp = z.infer<typeof ApplicationSignUp>;

/** The same with its repositories: of all tenants of all applications, so nobody keeps it. One that cannot be read is left out. */
const ListedSignUp = ApplicationSignUp.extend({
  artifactRepositories: listOf(ArtifactRepository.nullable().catch(null)),
});
export type ListedSignUp = z.infer<typeof ListedSignUp>;

/** All sign-ups of all applications. @see protocol.md 4.6 */
export type CompleteApplicationSignUpsEvent = {
  readonly applicationSignUps: readonly ListedSignUp[];
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
  const { items, problems } = readList(payload, 'applicationSignUps', ListedSignUp);
  return { applicationSignUps: items, problems };
}
