import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Broker, connectBroker } from '../agent/broker/broker.ts';
import { startEmbeddedBroker } from '../agent/demo/broker.ts';
import { createCep } from '../agent/demo/cep.ts';
import { handle, initializeMember, terminateMember } from '../agent/demo/controller.ts';
import { toGson } from '../agent/demo/gson.ts';
import { type MemberSeed, statusOf, topologyOf } from '../agent/demo/installation.ts';
import { answer, encryptPassword } from '../agent/demo/manager.ts';
import { type PlatformOptions, startPlatform } from '../agent/demo/platform.ts';
import { createInstallation, neighbours, ownMember, shop } from '../agent/demo/story.ts';
import { createLog } from '../agent/log.ts';
import type { MemberStatus } from '../state/messages/member.ts';
import { parseMessage, type SentEventName, topicOf } from '../state/messages/topics.ts';

const silent = createLog({ level: 'silent', pretty: false, colour: false });
const place = {
  clusterInstanceId: 'shop-app-1',
  networkPartitionId: 'network-partition-1',
  partitionId: 'partition-1',
};
const status = { serviceName: 'php', clusterId: shop.clusterId, memberId: shop.memberId, ...place };
const started = { applicationId: 'shop-app', ...status };
const repository = { clusterId: shop.clusterId, tenantId: 1, url: 'https://git.example.com/shop/web.git' };

// protocol.md 5.3, and that staying in the same status is always legal.
test.for([
  { from: 'Created', accepted: [] },
  { from: 'Initialized', accepted: ['InstanceStartedEvent'] },
  { from: 'Starting', accepted: ['InstanceStartedEvent', 'InstanceActivatedEvent'] },
  { from: 'Active', accepted: ['InstanceStartedEvent', 'InstanceActivatedEvent', 'InstanceMaintenanceModeEvent'] },
  { from: 'In_Maintenance', accepted: ['InstanceMaintenanceModeEvent', 'InstanceReadyToShutdownEvent'] },
  { from: 'ReadyToShutDown', accepted: ['InstanceReadyToShutdownEvent'] },
  { from: 'Suspended', accepted: [] },
] as const)('the controller takes from a member that is $from: $accepted', ({ from, accepted }) => {
  const all = [
    'InstanceStartedEvent',
    'InstanceActivatedEvent',
    'InstanceMaintenanceModeEvent',
    'InstanceReadyToShutdownEvent',
  ];
  const outcomes = all.map((event) => ({
    event,
    ...handle(installationWith(ownMember(from)), { event, body: started }),
  }));

  expect(outcomes.filter(({ refused }) => refused === null).map(({ event }) => event)).toEqual(accepted);
  expect(outcomes.map(({ refused, publish }) => publish.length === (refused === null ? 1 : 0))).not.toContain(false);
});

test('a refused event changes nothing and says why', () => {
  const before = installationWith(ownMember('Created'));

  const { installation, publish, refused } = handle(before, { event: 'InstanceStartedEvent', body: started });

  expect(installation).toBe(before);
  expect(publish).toEqual([]);
  expect(refused).toEqual({ event: 'InstanceStartedEvent', memberId: shop.memberId, from: 'Created', to: 'Starting' });
});

test('an event about nobody is refused', () => {
  const { refused } = handle(installationWith(), { event: 'InstanceActivatedEvent', body: {} });

  expect(refused).toMatchObject({ from: null, to: 'Active' });
});

test.for([
  { event: 'InstanceStartedEvent', from: 'Initialized', to: 'Starting', tells: 'MemberStartedEvent' },
  { event: 'InstanceActivatedEvent', from: 'Starting', to: 'Active', tells: 'MemberActivatedEvent' },
] as const)('$event is told to everybody as $tells, spelt like the sample', ({ event, from, to, tells }) => {
  const seed = { ...ownMember(from) };

  // The second of two members, as in the samples: the addresses follow from that.
  const { installation, publish } = handle(installationWith(neighbour(0), seed), { event, body: started });

  expect(statusIn(installation)).toBe(to);
  expect(publish.map(({ body }) => toGson(body))).toEqual([sample(tells)]);
});

test.for([
  { event: 'InstanceMaintenanceModeEvent', from: 'Active', tells: 'MemberMaintenanceModeEvent' },
  { event: 'InstanceReadyToShutdownEvent', from: 'In_Maintenance', tells: 'MemberReadyToShutdownEvent' },
] as const)('$event is told to everybody as $tells, spelt like the sample', ({ event, from, tells }) => {
  const leaving = neighbour(1);
  const body = { ...status, memberId: leaving.memberId, partitionId: 'partition-2' };

  const { publish } = handle(installationWith({ ...leaving, status: from }), { event, body });

  expect(publish.map(({ body: said }) => toGson(said))).toEqual([sample(tells)]);
});

test('the controller hands on the place the agent wrote, right or wrong', () => {
  const body = { ...started, partitionId: 'nowhere' };

  const { publish } = handle(installationWith(ownMember('Initialized')), { event: 'InstanceStartedEvent', body });

  expect(publish[0]?.body).toMatchObject({ partitionId: 'nowhere', networkPartitionId: 'network-partition-1' });
});

test('an active member gets its ports, one that is active again keeps its history', () => {
  const first = handle(installationWith(ownMember('Starting')), { event: 'InstanceActivatedEvent', body: status });
  const again = handle(first.installation, { event: 'InstanceActivatedEvent', body: status });

  const member = again.installation.members.get(shop.memberId);
  expect(Object.keys(member?.portMap ?? {})).toEqual(['8243', '8280']);
  expect(member?.memberStateManager.stateStack).toEqual(['Created', 'Initialized', 'Starting', 'Active']);
});

test('a member that is initialized has a machine, one that is further is left alone', () => {
  const fresh = initializeMember(installationWith(ownMember('Created')), shop.memberId);
  const further = initializeMember(installationWith(ownMember('Active')), shop.memberId);

  expect(fresh.publish[0]?.body).toMatchObject({
    defaultPrivateIP: '10.0.0.11',
    instanceId: expect.stringMatching(/^RegionOne\//),
  });
  expect(statusIn(fresh.installation)).toBe('Initialized');
  expect(further.publish).toEqual([]);
  expect(statusIn(further.installation)).toBe('Active');
});

test('a member that is terminated is gone', () => {
  const { installation, publish } = terminateMember(installationWith(ownMember('ReadyToShutDown')), shop.memberId);

  expect(publish.map(({ event }) => event)).toEqual(['MemberTerminatedEvent']);
  expect(installation.members.has(shop.memberId)).toBe(false);
});

test('the topology has the keys of the sample, in its order, for every kind of object', () => {
  const { topology: ours } = { topology: topologyOf(installationWith(...neighbours, ownMember('Initialized'))) };
  const theirs = JSON.parse(sample('CompleteTopologyEvent')).topology;

  const path = ['serviceMap', 'php', 'clusterIdClusterMap', 'shop-app.web.php.domain'];
  const kinds = [[], path.slice(0, 2), path, ...['7a01', '9c21'].map((end) => [...path, 'memberMap', endingIn(end)])];
  for (const kind of kinds) expect(Object.keys(at(ours, kind))).toEqual(Object.keys(at(theirs, kind)));
});

test('the stratos manager sends the artifacts of the cluster whose member started', () => {
  const repositories = [
    { ...repository, username: 'deploy', password: 's3cret-P@ss' },
    { ...repository, clusterId: 'blog-app.www.php.domain' },
  ];
  const installation = createInstallation({ members: [], repositories });

  const messages = answer(installation, { event: 'InstanceStartedEvent', body: started });

  expect(messages.map(({ body }) => toGson(body))).toEqual([sample('ArtifactUpdatedEvent')]);
});

test('the stratos manager keeps quiet when the application is not named', () => {
  const installation = createInstallation({ members: [], repositories: [repository] });

  expect(answer(installation, { event: 'InstanceStartedEvent', body: status })).toEqual([]);
});

test('passwords are encrypted as the platform does it', () => {
  // protocol.md 8.6
  expect(encryptPassword('s3cret-P@ss', 'Xk7pQ2mZ9aLr4TwB')).toBe('devsCWCu8q8n31QXH4F7YA==');
  expect(encryptPassword('0123456789ABCDEF', 'Xk7pQ2mZ9aLr4TwB')).toBe('QBI9Aj7/m9GFEvddTio/kxdPc5CASthO4FLVmAnLeSo=');
});

test('everything it says on its own is understood', async () => {
  const { platform, listener } = await onABus({ repositories: [{ ...repository, password: 'a<b>&=' }], members: [] });

  await platform.createMember();
  await platform.initializeMember();
  await listener.sayAll();
  await platform.cleanupMember();
  await platform.cleanupCluster();
  await platform.artifactUpdated(repository.url);
  await platform.resync();
  await platform.terminateMember();

  await expect.poll(() => listener.heard.at(-1)?.event).toBe('MemberTerminatedEvent');
  expect(listener.heard.map(({ event }) => event).toSorted()).toEqual(
    platform.said.map(({ event }) => event).toSorted(),
  );
  expect(new Set(listener.heard.map(({ event }) => event))).toContain('CompleteApplicationSignUpsEvent');
});

test('answers requests, accepts and refuses over the broker', async () => {
  const { platform, listener } = await onABus({ repositories: [repository] });

  await listener.say('CompleteTopologyRequestEvent', {});
  await listener.say('InstanceStartedEvent', started);
  await platform.waitFor('InstanceStartedEvent');
  await platform.initializeMember();
  await listener.say('InstanceStartedEvent', started);

  await expect.poll(() => platform.memberStatus()).toBe('Starting');
  await expect.poll(() => listener.heard.map(({ event }) => event)).toContain('MemberStartedEvent');
  await expect.poll(() => listener.heard.filter(({ event }) => event === 'ArtifactUpdatedEvent')).toHaveLength(2);
  const fromController = ['CompleteTopologyEvent', 'MemberInitializedEvent', 'MemberStartedEvent'];
  expect(listener.heard.map(({ event }) => event).filter((event) => event !== 'ArtifactUpdatedEvent')).toEqual(
    fromController,
  );
  expect(platform.refused.map(({ event, from }) => [event, from])).toEqual([['InstanceStartedEvent', 'Created']]);
  expect(platform.heard.map(({ event }) => event)).toHaveLength(3);
});

test('what a test has it refuse comes to nothing, but is heard', async () => {
  const members = [ownMember('Initialized')];
  const { platform, listener } = await onABus({ members, refuse: ({ event }) => event === 'InstanceStartedEvent' });

  await listener.say('InstanceStartedEvent', started);
  await platform.waitFor('InstanceStartedEvent', ({ body }) => body['memberId'] === shop.memberId);
  await listener.say('CompleteTopologyRequestEvent', {});

  await expect.poll(() => listener.heard.map(({ event }) => event)).toEqual(['CompleteTopologyEvent']);
  expect(platform.memberStatus()).toBe('Initialized');
});

test('tells everything again, regularly', async () => {
  const { listener } = await onABus({ resyncMs: 20 });

  await expect
    .poll(() => listener.heard.filter(({ event }) => event === 'CompleteTopologyEvent').length)
    .toBeGreaterThan(1);
  expect(listener.heard.map(({ event }) => event)).toContain('CompleteTenantEvent');
  expect(listener.heard.map(({ event }) => event)).not.toContain('CompleteApplicationSignUpsEvent');
});

describe('a member that is Active', () => {
  const { members } = installationWith(...neighbours, ownMember('Active'));
  const faultsAt = (cep: ReturnType<typeof createCep>, now: number) => cep.judge(members.values(), now);

  test('is faulty when its last statistic is older than the limit, and not before', () => {
    const cep = createCep(60_000);
    faultsAt(cep, 0);
    cep.hear(shop.memberId, 20_000);

    expect(faultsAt(cep, 80_000)).toEqual([]);
    expect(faultsAt(cep, 80_001)).toEqual([{ memberId: shop.memberId, lastHeard: 20_000, silentMs: 60_001 }]);
  });

  test('is faulty without a single statistic, counted from when it was seen Active', () => {
    const cep = createCep(60_000);
    cep.judge(installationWith(ownMember('Starting')).members.values(), 0);
    faultsAt(cep, 30_000);

    expect(faultsAt(cep, 90_000)).toEqual([]);
    expect(faultsAt(cep, 90_001)).toHaveLength(1);
  });

  test('is faulty while it sends, if its clock is behind', () => {
    const cep = createCep(60_000);
    cep.hear(shop.memberId, 0);

    expect(faultsAt(cep, 61_000)).toHaveLength(1);
  });

  test('is given up when it is silent on the bus, and not while its statistics come', async () => {
    const silent = `${shop.memberId}-silent`;
    const both = [ownMember('Active'), ownMember('Active', silent)];
    const { platform, listener } = await onABus({ members: both, silenceLimitMs: 500 });
    // By a clock that is ahead: one statistic is enough for the whole test.
    const timestamp = Date.now() + 3_600_000;

    await listener.say('HealthStatisticsEvent', { ...status, healthDescription: 'load_average', value: 1, timestamp });
    await expect.poll(() => listener.heard.map(({ event }) => event)).toEqual(['MemberTerminatedEvent']);

    expect(platform.faults).toMatchObject([{ memberId: silent }]);
    expect(platform.memberStatus(silent)).toBeNull();
    expect(platform.memberStatus()).toBe('Active');
  });
});

test('waits for what comes after something else', async () => {
  const { platform, listener } = await onABus({});
  await listener.say('CompleteTopologyRequestEvent', {});
  const first = await platform.waitFor('CompleteTopologyRequestEvent');

  const second = platform.waitFor('CompleteTopologyRequestEvent', undefined, { after: first });
  await listener.say('CompleteTopologyRequestEvent', {});

  expect(await second).not.toBe(first);
  expect(await platform.waitFor('CompleteTopologyRequestEvent')).toBe(first);
});

test('says what it heard instead when the wait is over', async () => {
  const { platform, listener } = await onABus({});
  await listener.say('CompleteTenantRequestEvent', {});
  await platform.waitFor('CompleteTenantRequestEvent');

  const wait = platform.waitFor('InstanceStartedEvent', undefined, { timeoutMs: 50 });

  await expect(wait).rejects.toMatchObject({
    code: 'PLATFORM_NOT_HEARD',
    facts: { heard: ['CompleteTenantRequestEvent'] },
  });
});

test('publishes anything, bytes that are no text too', async () => {
  const { platform, listener } = await onABus({});

  await platform.publishRaw('topology/CompleteTopologyEvent', new Uint8Array([0xff, 0x00, 0x7b]));
  await platform.publish('TenantRemovedEvent', { tenantId: 'not a number' });

  await expect.poll(() => listener.raw).toHaveLength(2);
  expect(listener.raw[0]).toEqual(Buffer.from([0xff, 0x00, 0x7b]));
});

test('does not start without a broker', async () => {
  const { port, close } = await startEmbeddedBroker();
  await close();

  const start = startPlatform(
    { broker: { server: { host: '127.0.0.1', port } }, log: silent },
    AbortSignal.timeout(200),
  );

  await expect(start).rejects.toThrow();
});

test('a broker that comes back on the same port is found again', async () => {
  const first = await startEmbeddedBroker();
  const platform = await startPlatform({ broker: at127(first.port), log: silent });
  onTestFinished(() => platform.stop());

  await first.close();
  const second = await startEmbeddedBroker({ port: first.port });
  onTestFinished(() => second.close());
  const listener = await listenOn(second.port);

  await expect
    .poll(async () => {
      await listener.say('CompleteTopologyRequestEvent', {});
      return listener.heard.length;
    })
    .toBeGreaterThan(0);
});

function installationWith(...members: MemberSeed[]) {
  return createInstallation({ members, repositories: [] });
}

function neighbour(index: number): MemberSeed {
  return neighbours[index] ?? expect.fail('no such neighbour');
}

function statusIn(installation: ReturnType<typeof installationWith>): MemberStatus {
  return statusOf(installation.members.get(shop.memberId) ?? expect.fail('no own member'));
}

function sample(event: string): string {
  return readFileSync(`test/samples/${event}.json`, 'utf8');
}

function endingIn(end: string): string {
  const ids = [shop.memberId, ...neighbours.map(({ memberId }) => memberId)];
  return ids.find((memberId) => memberId.endsWith(end)) ?? expect.fail(`nobody ends in ${end}`);
}

function at(value: unknown, path: readonly string[]): object {
  return path.reduce(
    (inner, key) => (inner as Record<string, object>)[key] ?? expect.fail(`no ${key}`),
    value as object,
  );
}

function at127(port: number) {
  return { server: { host: '127.0.0.1', port } };
}

async function onABus(options: Partial<PlatformOptions>) {
  const broker = await startEmbeddedBroker();
  onTestFinished(() => broker.close());
  const platform = await startPlatform({ resyncMs: null, ...options, broker: at127(broker.port), log: silent });
  onTestFinished(() => platform.stop());
  return { platform, listener: await listenOn(broker.port) };
}

/** Stands where an agent would: hears what the platform says, understood by the agent's own vocabulary. */
async function listenOn(port: number) {
  const heard: ReturnType<typeof parseMessage>[] = [];
  const raw: Uint8Array[] = [];
  const subscriptions = {
    'topology/#': 1,
    'tenant/#': 1,
    'instance/notifier/#': 1,
    'application/signup/#': 1,
  } as const;
  const broker: Broker = connectBroker(
    {
      servers: [{ host: '127.0.0.1', port }],
      ...{ username: null, password: null, protocolVersion: 4, tls: null, persistent: false },
      clientId: `listener-${Math.random()}`,
      subscriptions,
    },
    {
      log: silent,
      onMessage: (topic, payload) => {
        raw.push(payload);
        try {
          heard.push(parseMessage(topic, payload));
        } catch {
          // Bad input, made on purpose: it is in `raw`.
        }
      },
    },
  );
  onTestFinished(() => broker.close());
  await broker.up(AbortSignal.timeout(5_000));
  const say = (event: SentEventName, body: object) => broker.publish(topicOf(event), JSON.stringify(body), { qos: 1 });
  const sayAll = async () => {
    await say('CompleteTopologyRequestEvent', {});
    await say('CompleteTenantRequestEvent', {});
    await say('CompleteApplicationSignUpsRequestEvent', {});
    await say('InstanceStartedEvent', started);
    await say('InstanceActivatedEvent', status);
    await say('InstanceMaintenanceModeEvent', status);
    await say('InstanceReadyToShutdownEvent', status);
  };
  return { heard, raw, say, sayAll };
}
