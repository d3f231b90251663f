import { encryptPassword } from '../../agent/demo/manager.ts';
import type { Platform } from '../../agent/demo/platform.ts';
import { neighbours, ownMember, shop } from '../../agent/demo/story.ts';
import { expect } from '../support/current-test.ts';
import { everythingWritten, expectEnd, heardAll, linesAbout, type Raw } from '../support/door.ts';
import { startGitServer } from '../support/git-server.ts';
import { type Agent, lifeTest, statusEvents } from '../support/life.ts';

const secret = 'SECRET-PAYLOAD';
const wholeLife = [
  'InstanceStartedEvent',
  'InstanceActivatedEvent',
  'InstanceMaintenanceModeEvent',
  'InstanceReadyToShutdownEvent',
];
const untilActive = [
  'topology/CompleteTopologyEvent',
  'tenant/CompleteTenantEvent',
  'application/signup/CompleteApplicationSignUpsEvent',
];

const foreignCleanups: readonly Raw[] = [
  ...[neighbours[0]?.memberId, shop.clusterId, `${shop.memberId} `, shop.memberId.toUpperCase()].map((memberId) =>
    raw('instance/notifier/InstanceCleanupMemberEvent', { memberId, clusterId: shop.clusterId }),
  ),
  ...[
    { clusterId: shop.clusterId, clusterInstanceId: 'shop-app-2' },
    { clusterId: shop.dependencyClusterId, clusterInstanceId: shop.clusterInstanceId },
    { clusterId: 'shop-app', clusterInstanceId: shop.clusterInstanceId },
  ].map((body) => raw('instance/notifier/InstanceCleanupClusterEvent', { ...body, memberId: shop.memberId })),
];

lifeTest.concurrent('what others are asked for is none of our business', async ({ life }) => {
  await using git = await startGitServer();
  const web = await git.createRepository('web');
  const platform = await life.platform();
  const agent = await life.agent();
  await heardAll(agent, ['topology/CompleteTopologyEvent']);
  const foreignArtifact = raw('instance/notifier/ArtifactUpdatedEvent', {
    clusterId: shop.dependencyClusterId,
    repoURL: web.url,
    tenantId: String(shop.tenantId),
  });

  const linesInCreated = await linesAbout([...foreignCleanups, foreignArtifact], platform, agent);
  const statesInCreated = statesOf(agent);
  await platform.initializeMember();
  await heardAll(agent, ['topology/MemberActivatedEvent']);
  const linesInActive = await linesAbout([...foreignCleanups, foreignArtifact], platform, agent);

  expect([...linesInCreated, ...linesInActive]).toEqual([]);
  expect(statesInCreated).toEqual(['created']);
  expect(git.requests).toEqual([]);
  await expectEnd(platform, agent, wholeLife);
});

lifeTest.concurrent('what is no topology is not taken for one: the agent goes on asking', async ({ life }) => {
  const platform = await life.platform({
    members: [ownMember('Initialized')],
    refuse: ({ event }) => event === 'CompleteTopologyRequestEvent',
  });
  const agent = await life.agent();
  const asked = await platform.waitFor('CompleteTopologyRequestEvent');
  const topologies = [{}, { topology: {} }, { topology: null }, { topology: [] }, { topology: { serviceMap: [] } }];

  const lines = await linesAbout(topologies.map(complete), platform, agent);
  await platform.waitFor('CompleteTopologyRequestEvent', undefined, { after: asked });
  const states = statesOf(agent);
  await platform.resync();

  expect(lines.map(({ code }) => code)).toEqual(topologies.map(() => 'MESSAGE_INVALID'));
  expect(states).toEqual(['created']);
  await expectEnd(platform, agent, wholeLife);
});

/** What can be wrong with our own part of an otherwise good topology. */
const malformed: readonly { summary: string; spoil: (cluster: Json) => void }[] = [
  { summary: 'no status', spoil: (cluster) => delete ownIn(cluster)['memberStateManager'] },
  { summary: 'a status nobody knows', spoil: (cluster) => withStack(cluster, ['Created', secret]) },
  { summary: 'a text for a stack', spoil: (cluster) => withStack(cluster, 'Initialized') },
  { summary: 'a number for an id', spoil: (cluster) => Object.assign(ownIn(cluster), { memberId: 7 }) },
  { summary: 'a list for a member', spoil: (cluster) => Object.assign(membersIn(cluster), { [shop.memberId]: [] }) },
  { summary: 'a number for the cluster id', spoil: (cluster) => Object.assign(cluster, { clusterId: 7 }) },
];

// Of one kind of complaint the log takes five.
lifeTest.concurrent.for([
  { what: 'state', cases: malformed.slice(0, 3) },
  { what: 'identity', cases: malformed.slice(3) },
])('a member whose $what is told badly is as good as none, until it is told well', async ({ cases }, { life }) => {
  const platform = await life.platform({ members: [...neighbours, ownMember('Created')] });
  const agent = await life.agent();
  await heardAll(agent, ['topology/CompleteTopologyEvent']);

  for (const { summary, spoil } of cases) {
    const lines = await linesAbout([complete(spoiled(platform, spoil))], platform, agent);
    expect(
      lines.map(({ event, level }) => `${level} ${event}`),
      summary,
    ).toEqual(['warn message.unreadable']);
    expect(statesOf(agent), summary).toEqual(['created']);
  }
  await platform.initializeMember();
  await platform.resync();

  await expectEnd(platform, agent, wholeLife);
  expect(await everythingWritten(life)).not.toContain(secret);
});

lifeTest.concurrent('an instance that serves goes on serving when it is told of badly', async ({ life }) => {
  const platform = await life.platform({ members: [...neighbours, ownMember('Active')] });
  const agent = await life.agent();
  await heardAll(agent, untilActive);

  const bad = malformed.map(({ spoil }) => complete(spoiled(platform, spoil)));
  const lines = await linesAbout(bad, platform, agent);
  const [states, said] = [statesOf(agent), statusEvents(platform.heard)];
  await platform.resync();

  expect(agent.lines.filter(({ event }) => event === 'lifecycle.condition')).toEqual([]);
  expect(lines.map(({ event }) => event)).toEqual(bad.slice(0, 5).map(() => 'message.unreadable'));
  expect(states).toEqual(['created', 'active']);
  expect(said).toEqual([]);
  await expectEnd(platform, agent, wholeLife.slice(2));
});

lifeTest.concurrent('no password of any message is written anywhere', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Active')] });
  const agent = await life.agent({ params: { REPO_URL: 'http://git.invalid/web' } });
  await heardAll(agent, untilActive);
  const repoURL = `http://ann:${secret}@127.0.0.1:1/${shop.applicationId}?token=${secret}`;
  const encrypted = encryptPassword(secret, shop.cartridgeKey);
  const artifact = { clusterId: shop.clusterId, repoURL, tenantId: '1', repoUserName: 'ann' };
  const repository = { cartridgeType: 'php', alias: 'web', repoUrl: repoURL, repoPassword: encrypted };
  const signUp = { applicationId: shop.applicationId, tenantId: 1, artifactRepositories: [repository] };

  await linesAbout(
    [
      raw('instance/notifier/ArtifactUpdatedEvent', { ...artifact, repoPassword: encrypted }),
      raw('instance/notifier/ArtifactUpdatedEvent', { ...artifact, repoPassword: secret }),
      raw('application/signup/CompleteApplicationSignUpsEvent', { applicationSignUps: [signUp] }),
      raw('application/signup/CompleteApplicationSignUpsEvent', {
        applicationSignUps: [{ ...signUp, tenantId: secret }],
      }),
      complete(spoiled(platform, (cluster) => Object.assign(cluster, { properties: { PASSWORD: secret } }))),
    ],
    platform,
    agent,
  );
  await agent.logged(({ event }) => event === 'artifact.failed');

  await expectEnd(platform, agent, wholeLife.slice(2));
  const written = await everythingWritten(life);
  expect(written).not.toContain(secret);
  expect(written).not.toContain(encrypted);
});

type Json = Record<string, unknown>;

function raw(topic: string, body: object): Raw {
  return { topic, payload: JSON.stringify(body) };
}

function complete(body: object): Raw {
  return raw('topology/CompleteTopologyEvent', body);
}

/** What the platform said last of everything, with something wrong in our own cluster. */
function spoiled(platform: Platform, spoil: (cluster: Json) => void): object {
  const last = platform.said.findLast(({ event }) => event === 'CompleteTopologyEvent');
  const body = structuredClone(last?.body) as { topology: { serviceMap: Record<string, Json> } };
  const clusters = body.topology.serviceMap[shop.serviceName]?.['clusterIdClusterMap'] as Record<string, Json>;
  spoil(clusters[shop.clusterId] ?? {});
  return body;
}

function membersIn(cluster: Json): Record<string, Json> {
  return cluster['memberMap'] as Record<string, Json>;
}

function ownIn(cluster: Json): Json {
  return membersIn(cluster)[shop.memberId] ?? {};
}

function withStack(cluster: Json, stateStack: unknown): void {
  Object.assign(ownIn(cluster), { memberStateManager: { stateStack, identifier: shop.memberId } });
}

function statesOf(agent: Agent): unknown[] {
  return agent.lines.filter(({ event }) => event === 'lifecycle.entered').map(({ state }) => state);
}
