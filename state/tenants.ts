import type { ApplicationSignUp } from './messages/application-signup.ts';
import type { DomainMapping, DomainMappingRemovedEvent } from './messages/domain-mapping.ts';
import type { TenantId } from './messages/fields.ts';
import type { Tenant, TenantSubscribedEvent } from './messages/tenant.ts';
import { type EventIn, type EventName, isIn, type Message } from './messages/topics.ts';

/**
 * Tenants, their sign-ups to applications and their domain mappings, as last told by the platform. It belongs to one
 * owner, who alone calls {@link apply}: its maps change in place, what is in them never does.
 *
 * @see protocol.md 4.3, 4.6, 4.7
 */
export type Tenants = {
  /** Domain by tenant id; the super tenant is always there. */
  readonly domains: ReadonlyMap<TenantId, string>;
  /** By application and tenant. */
  readonly signUps: ReadonlyMap<string, ApplicationSignUp>;
  /** By application, tenant, cluster and domain name. */
  readonly domainMappings: ReadonlyMap<string, DomainMapping>;
};

/** What a message did, for those who act on it. */
export type TenantChange =
  /** All tenants were told. `changed`: something is new since the last time. */
  | { readonly kind: 'completeTenants'; readonly first: boolean; readonly changed: boolean }
  /** A tenant is new (`previous` is null) or has another domain. */
  | { readonly kind: 'tenant'; readonly tenant: Tenant; readonly previous: string | null }
  | { readonly kind: 'tenantRemoved'; readonly tenant: Tenant }
  | ({ readonly kind: 'tenantSubscribed' | 'tenantUnsubscribed' } & TenantSubscribedEvent)
  /** All sign-ups were told. */
  | { readonly kind: 'completeSignUps'; readonly first: boolean }
  /** Told for every such event, known or not: an agent may have started after the sign-up. */
  | { readonly kind: 'signUpAdded' | 'signUpRemoved'; readonly applicationId: string; readonly tenantId: TenantId }
  /** Told for every such event. */
  | { readonly kind: 'domainMappingAdded'; readonly mapping: DomainMapping; readonly tenantDomain: string | undefined }
  | {
      readonly kind: 'domainMappingRemoved';
      readonly mapping: DomainMappingRemovedEvent;
      readonly tenantDomain: string | undefined;
    }
  /** It names a tenant that is not known; the next complete event repairs that. */
  | {
      readonly kind: 'dropped';
      readonly event: EventName;
      readonly reason: 'unknownTenant' | 'superTenant';
      readonly id: TenantId;
    }
  /** Parts of the event could not be read and were left out. */
  | { readonly kind: 'unreadable'; readonly event: EventName; readonly problems: readonly string[] };

/** Only the super tenant is known: the platform never lists it. */
export function createTenants(): Tenants {
  return {
    domains: new Map([[superTenant.tenantId, superTenant.tenantDomain]]),
    signUps: new Map(),
    domainMappings: new Map(),
    hasTenants: false,
    hasSignUps: false,
    isChanged: false,
  } satisfies Model as Tenants;
}

/**
 * Brings the tenants up to date with one message; messages of other topics are ignored.
 *
 * @returns what is different now, and what is to be told as it arrives
 */
export function apply(tenants: Tenants, message: Message): TenantChange[] {
  const model = tenants as Model; // createTenants is the only maker
  if (isIn('tenant', message)) return applyTenant(model, message);
  if (isIn('application/signup', message)) return applySignUp(model, message);
  if (isIn('domain/mapping', message)) return applyMapping(model, message);
  return [];
}

/** The domain of a tenant; undefined if the tenant is not known. */
export function tenantDomain(tenants: Tenants, tenantId: TenantId): string | undefined {
  return tenants.domains.get(tenantId);
}

const superTenant: Tenant = { tenantId: '-1234', tenantDomain: 'carbon.super' };

type Model = {
  domains: Map<TenantId, string>;
  signUps: Map<string, ApplicationSignUp>;
  domainMappings: Map<string, DomainMapping>;
  hasTenants: boolean;
  hasSignUps: boolean;
  /** A tenant changed since all were told. */
  isChanged: boolean;
};

function applyTenant(model: Model, message: Message<EventIn<'tenant'>>): TenantChange[] {
  switch (message.event) {
    case 'CompleteTenantEvent':
      return replaceTenants(model, message);
    case 'TenantCreatedEvent':
      return putTenant(model, message.body.tenant);
    case 'TenantUpdatedEvent':
      if (!model.domains.has(message.body.tenantId)) return dropped(message, 'unknownTenant');
      return putTenant(model, message.body);
    case 'TenantRemovedEvent':
      return removeTenant(model, message);
    case 'TenantSubscribedEvent':
      return [{ kind: 'tenantSubscribed', ...message.body }];
    case 'TenantUnSubscribedEvent':
      return [{ kind: 'tenantUnsubscribed', ...message.body }];
  }
}

function replaceTenants(model: Model, message: Message<'CompleteTenantEvent'>): TenantChange[] {
  const before = model.domains;
  const told = [superTenant, ...message.body.tenants];
  model.domains = new Map(told.map(({ tenantId, tenantDomain }) => [tenantId, tenantDomain]));
  const isSame =
    before.size === model.domains.size && [...before].every(([id, domain]) => model.domains.get(id) === domain);
  const first = !model.hasTenants;
  const changed = first || model.isChanged || !isSame;
  Object.assign(model, { hasTenants: true, isChanged: false });
  return [{ kind: 'completeTenants', first, changed }, ...unreadableIn(message)];
}

function putTenant(model: Model, { tenantId, tenantDomain }: Tenant): TenantChange[] {
  const previous = model.domains.get(tenantId) ?? null;
  if (previous === tenantDomain) return [];
  model.domains.set(tenantId, tenantDomain);
  model.isChanged = true;
  return [{ kind: 'tenant', tenant: { tenantId, tenantDomain }, previous }];
}

function removeTenant(model: Model, message: Message<'TenantRemovedEvent'>): TenantChange[] {
  const { tenantId } = message.body;
  const tenantDomain = model.domains.get(tenantId);
  if (tenantId === superTenant.tenantId) return dropped(message, 'superTenant');
  if (tenantDomain === undefined) return dropped(message, 'unknownTenant');
  model.domains.delete(tenantId);
  model.isChanged = true;
  return [{ kind: 'tenantRemoved', tenant: { tenantId, tenantDomain } }];
}

function applySignUp(model: Model, message: Message<EventIn<'application/signup'>>): TenantChange[] {
  if (message.event === 'CompleteApplicationSignUpsEvent') return replaceSignUps(model, message);
  const { applicationId, tenantId } = message.body;
  const key = keyOf(applicationId, tenantId);
  if (message.event === 'ApplicationSignUpRemovedEvent') {
    model.signUps.delete(key);
    return [{ kind: 'signUpRemoved', applicationId, tenantId }];
  }
  const { clusterIds } = message.body;
  model.signUps.set(key, { applicationId, tenantId, clusterIds, domainMappings: [] });
  return [{ kind: 'signUpAdded', applicationId, tenantId }];
}

/** The list of sign-ups is also the list of domain mappings. */
function replaceSignUps(model: Model, message: Message<'CompleteApplicationSignUpsEvent'>): TenantChange[] {
  const { applicationSignUps } = message.body;
  const mappings = applicationSignUps.flatMap(({ domainMappings }) => domainMappings);
  const first = !model.hasSignUps;
  // Their repositories, and the passwords of those, are nobody's to keep.
  const kept = applicationSignUps.map(({ artifactRepositories: _, ...signUp }) => signUp);
  model.signUps = new Map(kept.map((signUp) => [keyOf(signUp.applicationId, signUp.tenantId), signUp]));
  model.domainMappings = new Map(mappings.map((mapping) => [keyOfMapping(mapping), mapping]));
  model.hasSignUps = true;
  return [{ kind: 'completeSignUps', first }, ...unreadableIn(message)];
}

function applyMapping(model: Model, message: Message<EventIn<'domain/mapping'>>): TenantChange[] {
  const tenantDomain = model.domains.get(message.body.tenantId);
  if (message.event === 'DomainMappingAddedEvent') {
    model.domainMappings.set(keyOfMapping(message.body), message.body);
    return [{ kind: 'domainMappingAdded', mapping: message.body, tenantDomain }];
  }
  model.domainMappings.delete(keyOfMapping(message.body));
  return [{ kind: 'domainMappingRemoved', mapping: message.body, tenantDomain }];
}

function keyOfMapping({ applicationId, tenantId, clusterId, domainName }: DomainMappingRemovedEvent): string {
  return keyOf(applicationId, tenantId, clusterId, domainName);
}

/** Parts come from the wire and may contain any separator. */
function keyOf(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

function dropped(
  { event, body }: Message<'TenantUpdatedEvent' | 'TenantRemovedEvent'>,
  reason: 'unknownTenant' | 'superTenant',
): TenantChange[] {
  return [{ kind: 'dropped', event, reason, id: body.tenantId }];
}

type WithProblems = { readonly event: EventName; readonly body: { readonly problems: readonly string[] } };

function unreadableIn({ event, body: { problems } }: WithProblems): TenantChange[] {
  return problems.length === 0 ? [] : [{ kind: 'unreadable', event, problems }];
}
