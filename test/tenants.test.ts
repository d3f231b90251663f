import { describe, expect, test } from 'vitest';
import type { EventName } from '../state/messages/topics.ts';
import { apply, createTenants, tenantDomain } from '../state/tenants.ts';
import { messageOf, sampleMessage } from './support/sample-messages.ts';

const mapping = { applicationId: 'a', tenantId: 1, serviceName: 's', clusterId: 'c', domainName: 'www.example.com' };
const told = { ...mapping, tenantId: '1' };

type Case = {
  readonly summary: string;
  readonly event: EventName;
  readonly body: object;
  readonly changes: readonly object[];
  /** Tenants afterwards, besides those that were there: 1 = one.example.com and the super tenant. */
  readonly domains?: Readonly<Record<string, string | undefined>>;
};

const cases: readonly Case[] = [
  {
    summary: 'a new tenant',
    event: 'TenantCreatedEvent',
    body: { tenant: { tenantId: 2, tenantDomain: 'two' } },
    changes: [{ kind: 'tenant', tenant: { tenantId: '2', tenantDomain: 'two' }, previous: null }],
    domains: { 2: 'two' },
  },
  {
    summary: 'a known tenant',
    event: 'TenantCreatedEvent',
    body: { tenant: { tenantId: '1', tenantDomain: 'one' } },
    changes: [],
  },
  {
    summary: 'another domain',
    event: 'TenantUpdatedEvent',
    body: { tenantId: 1, tenantDomain: 'uno' },
    changes: [{ kind: 'tenant', tenant: { tenantId: '1', tenantDomain: 'uno' }, previous: 'one' }],
    domains: { 1: 'uno' },
  },
  {
    summary: 'an update of an unknown tenant',
    event: 'TenantUpdatedEvent',
    body: { tenantId: 9, tenantDomain: 'x' },
    changes: [{ kind: 'dropped', event: 'TenantUpdatedEvent', reason: 'unknownTenant', id: '9' }],
    domains: { 9: undefined },
  },
  {
    summary: 'a removed tenant',
    event: 'TenantRemovedEvent',
    body: { tenantId: 1 },
    changes: [{ kind: 'tenantRemoved', tenant: { tenantId: '1', tenantDomain: 'one' } }],
    domains: { 1: undefined },
  },
  {
    summary: 'an unknown tenant removed',
    event: 'TenantRemovedEvent',
    body: { tenantId: 9 },
    changes: [{ kind: 'dropped', event: 'TenantRemovedEvent', reason: 'unknownTenant', id: '9' }],
  },
  {
    summary: 'the super tenant removed',
    event: 'TenantRemovedEvent',
    body: { tenantId: -1234 },
    changes: [{ kind: 'dropped', event: 'TenantRemovedEvent', reason: 'superTenant', id: '-1234' }],
    domains: { '-1234': 'carbon.super' },
  },
  {
    summary: 'a subscription',
    event: 'TenantSubscribedEvent',
    body: { tenantId: 1, serviceName: 's', clusterIds: ['c', null] },
    changes: [{ kind: 'tenantSubscribed', tenantId: '1', serviceName: 's', clusterIds: ['c'] }],
  },
  {
    summary: 'a subscription that ends',
    event: 'TenantUnSubscribedEvent',
    body: { tenantId: 1, serviceName: 's' },
    changes: [{ kind: 'tenantUnsubscribed', tenantId: '1', serviceName: 's', clusterIds: [] }],
  },
  {
    summary: 'a sign-up',
    event: 'ApplicationSignUpAddedEvent',
    body: { applicationId: 'a', tenantId: 1, clusterIds: ['c'] },
    changes: [{ kind: 'signUpAdded', applicationId: 'a', tenantId: '1' }],
  },
  {
    summary: 'a sign-up that ends, known or not',
    event: 'ApplicationSignUpRemovedEvent',
    body: { applicationId: 'a', tenantId: 7 },
    changes: [{ kind: 'signUpRemoved', applicationId: 'a', tenantId: '7' }],
  },
  {
    summary: 'a domain mapping, with the domain of its tenant',
    event: 'DomainMappingAddedEvent',
    body: mapping,
    changes: [{ kind: 'domainMappingAdded', mapping: told, tenantDomain: 'one' }],
  },
  {
    summary: 'a domain mapping of an unknown tenant',
    event: 'DomainMappingRemovedEvent',
    body: { ...mapping, tenantId: 9 },
    changes: [{ kind: 'domainMappingRemoved', mapping: { ...told, tenantId: '9' }, tenantDomain: undefined }],
  },
  { summary: 'nothing of other topics', event: 'ServiceRemovedEvent', body: { serviceName: 's' }, changes: [] },
];

test.for(cases)('tells of $summary', ({ event, body, changes, domains = {} }) => {
  const tenants = createTenants();
  apply(tenants, messageOf('TenantCreatedEvent', { tenant: { tenantId: 1, tenantDomain: 'one' } }));

  expect(apply(tenants, messageOf(event, body))).toEqual(changes);
  for (const [tenantId, domain] of Object.entries({ 1: 'one', '-1234': 'carbon.super', ...domains })) {
    expect(tenantDomain(tenants, tenantId)).toBe(domain);
  }
});

describe('all tenants', () => {
  test('replace those that were known, but the super tenant', () => {
    const tenants = createTenants();
    apply(tenants, sampleMessage('TenantCreatedEvent'));

    const changes = apply(tenants, sampleMessage('CompleteTenantEvent'));

    expect(changes).toEqual([{ kind: 'completeTenants', first: true, changed: true }]);
    expect(Object.fromEntries(tenants.domains)).toEqual({
      '-1234': 'carbon.super',
      1: 'acme.example.com',
      2: 'globex.example.com',
      3: 'initech.example.com',
    });
  });

  test('are changed when the list is, or an event since the last list was', () => {
    const tenants = createTenants();
    const list = sampleMessage('CompleteTenantEvent');
    const changed = () => apply(tenants, list).map((change) => 'changed' in change && change.changed);

    const answers = [changed(), changed()];
    apply(tenants, messageOf('TenantUpdatedEvent', { tenantId: 1, tenantDomain: 'x' }));
    apply(tenants, messageOf('TenantUpdatedEvent', { tenantId: 1, tenantDomain: 'acme.example.com' }));
    answers.push(changed(), changed());
    apply(tenants, messageOf('CompleteTenantEvent', { tenants: [] }));
    answers.push(changed());

    expect(answers.flat()).toEqual([true, false, true, false, true]);
  });

  test('count without the one that cannot be read', () => {
    const tenants = createTenants();
    const list = [
      { tenantId: 'x', tenantDomain: 'evil' },
      { tenantId: 5, tenantDomain: 'five' },
    ];

    const changes = apply(tenants, messageOf('CompleteTenantEvent', { tenants: list }));

    expect(changes.map(({ kind }) => kind)).toEqual(['completeTenants', 'unreadable']);
    expect([...tenants.domains.keys()].toSorted()).toEqual(['-1234', '5']);
  });
});

describe('sign-ups and domain mappings', () => {
  test('come and go with their events', () => {
    const tenants = createTenants();
    apply(tenants, messageOf('ApplicationSignUpAddedEvent', { applicationId: 'a', tenantId: 1, clusterIds: ['c'] }));
    apply(tenants, messageOf('DomainMappingAddedEvent', { ...mapping, contextPath: '/' }));
    const [signUp, domainMapping] = [[...tenants.signUps.values()], [...tenants.domainMappings.values()]];

    apply(tenants, messageOf('ApplicationSignUpRemovedEvent', { applicationId: 'a', tenantId: '1' }));
    apply(tenants, messageOf('DomainMappingRemovedEvent', mapping));

    expect(signUp).toEqual([{ applicationId: 'a', tenantId: '1', clusterIds: ['c'], domainMappings: [] }]);
    expect(domainMapping).toEqual([{ ...told, contextPath: '/' }]);
    expect([tenants.signUps.size, tenants.domainMappings.size]).toEqual([0, 0]);
  });

  test('are replaced by the complete list', () => {
    const tenants = createTenants();
    apply(tenants, messageOf('DomainMappingAddedEvent', mapping));

    const first = apply(tenants, sampleMessage('CompleteApplicationSignUpsEvent'));
    const second = apply(tenants, sampleMessage('CompleteApplicationSignUpsEvent'));

    expect([first, second]).toEqual([
      [{ kind: 'completeSignUps', first: true }],
      [{ kind: 'completeSignUps', first: false }],
    ]);
    expect([...tenants.signUps.values()].map(({ applicationId }) => applicationId)).toEqual(['shop-app', 'portal-app']);
    expect([...tenants.domainMappings.values()]).toMatchObject([
      { domainName: 'www.shop.example.com', contextPath: '/' },
    ]);
  });

  test('are kept apart whatever their names contain', () => {
    const tenants = createTenants();
    for (const [applicationId, tenantId] of [
      ['a', 11],
      ['a","1', 1],
      ['a1', 1],
      ['__proto__', 1],
    ]) {
      apply(tenants, messageOf('ApplicationSignUpAddedEvent', { applicationId, tenantId, clusterIds: [] }));
    }

    expect(tenants.signUps.size).toBe(4);
  });

  test('hold no password', () => {
    const tenants = createTenants();

    apply(tenants, sampleMessage('CompleteApplicationSignUpsEvent'));

    expect(JSON.stringify([...tenants.signUps.values()])).not.toContain('devsCWCu8q8n31QXH4F7YA');
  });
});
