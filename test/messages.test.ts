import { describe, expect, test } from 'vitest';
import {
  isIn,
  parseMessage,
  type SentBody,
  type SentEventName,
  subscriptions,
  topicOf,
  writeMessage,
} from '../state/messages/topics.ts';
import { messageOf, sampleBytes, sampleFiles, sampleMessage } from './support/sample-messages.ts';

const ownMember = 'shop-app.web.php.domain1c2f6d0e-8a4b-4f5c-9f1a-0d3b6e7a9c21';

describe('samples', () => {
  test.for(sampleFiles)('$file is understood, nothing is left out', ({ file, event }) => {
    const message = parseMessage(topicOf(event), sampleBytes(file));

    expect(message).toMatchObject({ event, topic: topicOf(event) });
    expect('problems' in message.body ? message.body.problems : []).toEqual([]);
  });

  const sentFiles = sampleFiles.filter(({ event }) => isSent(event));

  test.for(sentFiles)('$file is written back byte for byte', ({ file, event }) => {
    const { body } = parseMessage(topicOf(event), sampleBytes(file));

    expect(writeMessage(event as SentEventName, body as SentBody<SentEventName>)).toBe(sampleBytes(file).toString());
  });

  test('there are some of all kinds', () => {
    expect(sentFiles.length).toBeGreaterThanOrEqual(8);
    expect(sampleFiles.length).toBeGreaterThanOrEqual(42);
  });
});

describe('what is read', () => {
  test('an artifacts event, its password a secret', () => {
    const { body } = sampleMessage('ArtifactUpdatedEvent');

    expect(body).toMatchObject({ clusterId: 'shop-app.web.php.domain', tenantId: '1', repoUserName: 'deploy' });
    expect(body.repoPassword?.reveal()).toBe('devsCWCu8q8n31QXH4F7YA==');
    expect(JSON.stringify(body)).not.toContain('devsCWCu8q8n31QXH4F7YA');
  });

  test('a public repository has neither user nor password', () => {
    const { body } = messageOf('ArtifactUpdatedEvent', sampleBytes('ArtifactUpdatedEvent-public-repo.json'));

    expect(body.tenantId).toBe('-1234');
    expect([body.repoUserName, body.repoPassword]).toEqual([undefined, undefined]);
  });

  test('null is the same as missing, and unknown fields are ignored', () => {
    const { body } = messageOf('InstanceStartedEvent', {
      ...sampleMessage('InstanceStartedEvent').body,
      instanceId: null,
      groupId: null,
      partitionId: null,
      novelty: { __proto__: 1 },
    });

    expect(body).toEqual({ ...sampleMessage('InstanceStartedEvent').body, partitionId: undefined });
    expect(body).not.toHaveProperty('novelty');
  });

  test('a complete topology, members with what they have in common shared', () => {
    const { topology } = sampleMessage('CompleteTopologyEvent').body;
    const php = topology.serviceMap.get('php');
    const cluster = php?.clusters.get('shop-app.web.php.domain');
    const member = cluster?.members.get(ownMember);

    expect([...topology.serviceMap.keys()].sort()).toEqual(['php', 'tomcat-mt']);
    expect(php).toMatchObject({ serviceType: 'SingleTenant', ports: expect.arrayContaining([httpPort]) });
    expect(cluster).toMatchObject({ appId: 'shop-app', hostNames: ['shop-app.web.php.example.com'], tenantRange: '*' });
    expect(cluster?.instances.get('shop-app-1')).toMatchObject({ alias: 'web', status: 'Active' });
    expect(member).toMatchObject({
      clusterInstanceId: 'shop-app-1',
      networkPartitionId: 'network-partition-1',
      partitionId: 'partition-1',
      instanceId: 'RegionOne/0a5492e9-f6f8-33f8-803a-c61df0299a44',
      privateIPs: ['10.0.0.12'],
      defaultPublicIP: '192.0.2.12',
      properties: { MIN_COUNT: '2' },
      status: 'Initialized',
      stateStack: ['Created', 'Initialized'],
    });
  });

  test('the key `initialized` of 4.1.x changes nothing', () => {
    const older = messageOf('CompleteTopologyEvent', sampleBytes('CompleteTopologyEvent-4.1.x.json'));

    expect(older.body).toEqual(sampleMessage('CompleteTopologyEvent').body);
  });

  test('a sign-up list with nulls in its lists', () => {
    const text = `{"applicationSignUps":[null,{"tenantId":"7","applicationId":"a","clusterIds":["c",null],"domainMappings":[null],"artifactRepositories":[null,{"alias":7}]}]}`;

    const { body } = messageOf('CompleteApplicationSignUpsEvent', text);

    expect(body).toEqual({
      applicationSignUps: [
        { applicationId: 'a', tenantId: '7', clusterIds: ['c'], domainMappings: [], artifactRepositories: [] },
      ],
      problems: [],
    });
  });

  const tenantIds = [
    { summary: 'a number', wire: '1', tenantId: '1' },
    { summary: 'text', wire: '"1"', tenantId: '1' },
    { summary: 'the super tenant', wire: '-1234', tenantId: '-1234' },
    { summary: 'leading zeros', wire: '"007"', tenantId: '7' },
    { summary: 'minus nothing', wire: '"-0"', tenantId: '0' },
    { summary: 'a float that is whole', wire: '2.0', tenantId: '2' },
    ...[
      '1.5',
      '"1.5"',
      '"../../etc"',
      '""',
      '" 1"',
      '"1e3"',
      '"٣"',
      '99999999999',
      '"99999999999"',
      'null',
      'true',
      '[1]',
      '{}',
    ].map((wire) => ({ summary: wire, wire, tenantId: null })),
  ];

  test.for(tenantIds)('tenant id $summary is $tenantId', ({ wire, tenantId }) => {
    const act = () => messageOf('TenantRemovedEvent', `{"tenantId":${wire}}`).body;

    if (tenantId === null) expect(act).toThrow(expect.objectContaining({ code: 'MESSAGE_INVALID' }));
    else expect(act()).toEqual({ tenantId });
  });

  test('properties named like what every object has are kept as properties', () => {
    const text = `{"serviceName":"s","clusterId":"c","memberId":"m","properties":{"__proto__":"p","constructor":"q","n":1,"gone":null}}`;

    const { properties } = messageOf('MemberCreatedEvent', text).body;

    expect(Object.entries(properties)).toEqual([
      ['__proto__', 'p'],
      ['constructor', 'q'],
      ['n', '1'],
    ]);
    expect(properties['toString']).toBeUndefined();
    expect(JSON.stringify({})).toBe('{}');
  });
});

test('the agent hears every topic it acts on, and none it does not know', () => {
  const events = sampleFiles.map(({ event }) => topicOf(event));
  const heard = (filter: string) => events.some((topic) => topic.startsWith(filter.replace('#', '')));

  expect(subscriptions.every(({ filter }) => heard(filter))).toBe(true);
  expect(subscriptions.filter(({ qos }) => qos === 1).map(({ filter }) => filter)).toEqual([
    'instance/notifier/#',
    'application/signup/#',
    'domain/mapping/#',
  ]);
  expect(topicOf('ClusterInstanceInactivateEvent')).toBe('topology/ClusterInstanceInactivateEvent');
  expect(isIn('tenant', sampleMessage('TenantCreatedEvent'))).toBe(true);
  expect(isIn('topology', sampleMessage('TenantCreatedEvent'))).toBe(false);
});

const httpPort = { protocol: 'http', value: 80, proxy: 8280 };

function isSent(event: string): boolean {
  return /^Instance(Started|Activated|Maintenance|Ready)|RequestEvent$/.test(event);
}
