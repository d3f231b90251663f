import { describe, expect, test } from 'vitest';
import { AgentError } from '../state/errors.ts';
import { MessageError, messageRemedies } from '../state/messages/message-error.ts';
import { type EventName, parseMessage, topicOf } from '../state/messages/topics.ts';
import { errorOf, everythingIn, messageOf } from './support/sample-messages.ts';

const canary = 'pa55word-canary';

describe('what cannot be read', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  const refused = [
    { summary: 'nothing', payload: '', code: 'MESSAGE_EMPTY' },
    { summary: 'white space', payload: ' \n', code: 'MESSAGE_NOT_JSON' },
    { summary: 'a cut-off object', payload: '{"memberId":"m"', code: 'MESSAGE_NOT_JSON' },
    { summary: 'two objects', payload: '{}{}', code: 'MESSAGE_NOT_JSON' },
    { summary: 'plain text', payload: canary, code: 'MESSAGE_NOT_JSON' },
    { summary: 'binary', payload: Buffer.from([0xff, 0x00, 0xfe, 0x80, 0x0a]), code: 'MESSAGE_NOT_JSON' },
    { summary: 'brackets without an end', payload: '['.repeat(100_000), code: 'MESSAGE_NOT_JSON' },
    { summary: 'null', payload: 'null', code: 'MESSAGE_INVALID' },
    { summary: 'a list', payload: '[]', code: 'MESSAGE_INVALID' },
    { summary: 'a number', payload: '1', code: 'MESSAGE_INVALID' },
    { summary: 'a text', payload: `"${canary}"`, code: 'MESSAGE_INVALID' },
    { summary: 'an object without fields', payload: '{}', code: 'MESSAGE_INVALID' },
    {
      summary: 'other fields only',
      payload: '{"__proto__":{"memberId":"m"},"constructor":1}',
      code: 'MESSAGE_INVALID',
    },
    { summary: 'brackets and brackets', payload: deep, code: 'MESSAGE_INVALID' },
  ];
  const events = [
    'InstanceCleanupMemberEvent',
    'CompleteTopologyEvent',
    'CompleteTenantEvent',
    'ClusterCreatedEvent',
  ] as const;
  const cases = events.flatMap((event) => refused.map((row) => ({ event, ...row })));

  test.for(cases)('$event: $summary is $code', ({ event, payload, code }) => {
    const error = errorOf(() => parseMessage(topicOf(event), Buffer.from(payload)));

    expect(error).toBeInstanceOf(MessageError);
    expect(error).toMatchObject({ code, facts: { topic: topicOf(event), sizeBytes: Buffer.from(payload).length } });
    expect(everythingIn(error)).not.toContain(canary);
  });

  const wrong: readonly { event: EventName; body: unknown; says: string }[] = [
    { event: 'InstanceCleanupMemberEvent', body: { memberId: 5 }, says: 'memberId' },
    { event: 'InstanceCleanupMemberEvent', body: { memberId: '' }, says: 'memberId' },
    { event: 'InstanceCleanupClusterEvent', body: { clusterId: 'c' }, says: 'clusterInstanceId' },
    { event: 'ArtifactUpdatedEvent', body: { clusterId: 'c', tenantId: '1', repoPassword: canary }, says: 'repoURL' },
    { event: 'ArtifactUpdatedEvent', body: { clusterId: 'c', tenantId: canary, repoURL: 'u' }, says: 'tenantId' },
    {
      event: 'ArtifactUpdatedEvent',
      body: { clusterId: 'c', tenantId: 1, repoURL: 'u', repoPassword: [canary] },
      says: 'repoPassword',
    },
    {
      event: 'MemberActivatedEvent',
      body: { serviceName: 's', clusterId: 'c', memberId: 'm', portMap: { 80: { value: canary } } },
      says: 'portMap',
    },
    {
      event: 'MemberCreatedEvent',
      body: { serviceName: 's', clusterId: 'c', memberId: 'm', properties: { a: { b: canary } } },
      says: 'properties',
    },
    {
      event: 'ClusterInstanceCreatedEvent',
      body: {
        serviceName: 's',
        clusterId: 'c',
        clusterInstance: { instanceId: 'i', lifeCycleStateManager: { stateStack: [canary] } },
      },
      says: 'clusterInstance',
    },
    { event: 'CompleteTopologyEvent', body: { topology: {} }, says: 'topology.serviceMap' },
    { event: 'CompleteTopologyEvent', body: { topology: { serviceMap: [canary] } }, says: 'topology.serviceMap' },
    { event: 'CompleteTopologyEvent', body: { topology: { serviceMap: null } }, says: 'topology.serviceMap' },
    { event: 'ApplicationClustersCreatedEvent', body: { clusterList: { a: canary } }, says: 'clusterList' },
    { event: 'CompleteTenantEvent', body: { tenants: canary }, says: 'tenants' },
    {
      event: 'ClusterCreatedEvent',
      body: { cluster: { serviceName: 's', clusterId: 7, appId: canary } },
      says: 'clusterId',
    },
    { event: 'InstanceStartedEvent', body: { serviceName: 's', clusterId: 'c', memberId: 'm' }, says: 'applicationId' },
  ];

  test.for(wrong)('$event names $says, in short and without values', ({ event, body, says }) => {
    const error = errorOf(() => messageOf(event, body));

    expect(error).toMatchObject({ code: 'MESSAGE_INVALID', message: expect.stringContaining(says) });
    expect((error as MessageError).message.length).toBeLessThan(450);
    expect(everythingIn(error)).not.toContain(canary);
  });

  test.for([
    '',
    'topology',
    'topology/',
    'MemberStartedEvent',
    'tenant/MemberStartedEvent',
    'application/ApplicationCreatedEvent',
    'topology/__proto__',
    'topology/constructor',
    'topology/x/MemberStartedEvent',
    'cluster/status/ClusterStatusEvent',
  ])('topic %j is an unknown event', (topic) => {
    const error = errorOf(() => parseMessage(topic, Buffer.from('{}')));

    expect(error).toMatchObject({ code: 'MESSAGE_UNKNOWN_EVENT' });
  });

  test('an endless topic with line breaks is one short line', () => {
    const error = errorOf(() => parseMessage(`a\n\u001b[2J${'x'.repeat(60_000)}`, Buffer.from('{}')));

    expect((error as MessageError).message).toMatch(/^[^\p{Cc}]{1,450}$/u);
  });

  test('every failure has a remedy', () => {
    const codes = Object.keys(messageRemedies) as (keyof typeof messageRemedies)[];
    const errors = codes.map((code) => new MessageError(code, { topic: 't', sizeBytes: 1 }));

    expect(errors.every((error) => error instanceof AgentError && /^[A-Z].*\.$/.test(error.remedy))).toBe(true);
  });
});
