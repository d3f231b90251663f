import { readdirSync } from 'node:fs';
import { describe, expect } from 'vitest';
import type { LogLine } from '../../agent/demo/agent-process.ts';
import type { Platform } from '../../agent/demo/platform.ts';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { type EventName, subscriptions, topicOf } from '../../state/messages/topics.ts';
import { everythingWritten, expectEnd, heardAll, linesAbout } from '../support/door.ts';
import { type Agent, brokers, lifeTest, statusEvents } from '../support/life.ts';

const secret = 'SECRET-PAYLOAD';
const wholeLife = [
  'InstanceStartedEvent',
  'InstanceActivatedEvent',
  'InstanceMaintenanceModeEvent',
  'InstanceReadyToShutdownEvent',
];

/** One event of each topic we subscribe to, small ones and one that is read piece by piece. */
const topics = [
  'topology/MemberStartedEvent',
  'topology/CompleteTopologyEvent',
  'tenant/TenantCreatedEvent',
  'instance/notifier/ArtifactUpdatedEvent',
  'application/signup/ApplicationSignUpRemovedEvent',
  'domain/mapping/DomainMappingAddedEvent',
];

/** At most five of one code, which is what is logged before the rate limit sets in. */
const kinds: readonly { summary: string; payload: string | Uint8Array; code: string }[] = [
  { summary: 'cut off', payload: `{"memberId":"${secret}"`, code: 'MESSAGE_NOT_JSON' },
  { summary: 'with something after it', payload: `{} ${secret}`, code: 'MESSAGE_NOT_JSON' },
  { summary: '100,000 open brackets', payload: '['.repeat(100_000), code: 'MESSAGE_NOT_JSON' },
  {
    summary: 'binary',
    payload: Buffer.from(`\u0000\u00ff\ud83d${secret}\u001b[2J`, 'utf16le'),
    code: 'MESSAGE_NOT_JSON',
  },
  { summary: '100,000 brackets', payload: '['.repeat(100_000) + ']'.repeat(100_000), code: 'MESSAGE_INVALID' },
  { summary: 'without its fields', payload: '{}', code: 'MESSAGE_INVALID' },
  { summary: 'of another type', payload: `["${secret}"]`, code: 'MESSAGE_INVALID' },
  { summary: 'with fields of other types', payload: fieldsAs([[secret]]), code: 'MESSAGE_INVALID' },
  { summary: 'empty', payload: '', code: 'MESSAGE_EMPTY' },
];
/** Read at once, and read piece by piece. */
const largeTopics = ['instance/notifier/ArtifactUpdatedEvent', ...['topology', 'tenant'].map(complete)];

/** What the agent hears, and when it has nothing more to hear. */
const untilCreated = [complete('topology')];
const untilActive = [...untilCreated, complete('tenant'), 'application/signup/CompleteApplicationSignUpsEvent'];
const untilActivated = [...untilActive, 'topology/MemberActivatedEvent'];

/** Every event of our topics. */
const received = readdirSync(new URL('../samples', import.meta.url))
  .filter((file) => file.endsWith('Event.json'))
  .map((file) => topicOf(file.slice(0, -'.json'.length) as EventName))
  .filter((topic) => subscriptions.some(({ filter }) => topic.startsWith(filter.slice(0, -1))));

describe.for(brokers)('over the %s broker', (broker) => {
  const test = lifeTest.extend('broker', broker);

  test.for(['before', 'after'] as const)('bad messages %s Initialized are one line each', async (moment, { life }) => {
    const platform = await life.platform();
    const agent = await life.agent();
    if (moment === 'after') await platform.initializeMember();
    await heardAll(agent, moment === 'before' ? untilCreated : untilActivated);
    const before = stateOf(platform, agent);

    const bad = topics.flatMap((topic) => kinds.map(({ payload, code }) => ({ topic, payload, code })));
    const lines = await linesAbout(bad, platform, agent);

    expect(lines.map(refusal).toSorted()).toEqual(bad.map(({ topic, code }) => `${topic} ${code}`).toSorted());
    expect(lines.map(({ level }) => level)).toEqual(bad.map(() => 'warn'));
    expect(stateOf(platform, agent)).toEqual(before);
    if (moment === 'before') await platform.initializeMember();
    await expectEnd(platform, agent, wholeLife);
    expect(await everythingWritten(life)).not.toContain(secret);
  });

  test('50 MB of nonsense are one line, and the life goes on', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent();
    await heardAll(agent, untilActive);

    const bad = largeTopics.map((topic) => ({ topic, payload: `["${secret.repeat(50_000_000 / secret.length)}` }));
    const lines = await linesAbout(bad, platform, agent);

    expect(lines.map(({ event, level }) => `${level} ${event}`)).toEqual(bad.map(() => 'warn message.refused'));
    await expectEnd(platform, agent, wholeLife.slice(2));
    expect(await everythingWritten(life)).not.toContain(secret);
  });
});

lifeTest('every event in a form it never has is refused', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Active')] });
  const agent = await life.agent();
  await heardAll(agent, untilActive);

  const forms = ['null', '7', '[]', `"${secret}"`, 'true'];
  const bad = received.flatMap((topic) => forms.map((payload) => ({ topic, payload })));
  const lines = await linesAbout(bad, platform, agent);

  expect(lines.map(refusal).toSorted()).toEqual(bad.map(({ topic }) => `${topic} MESSAGE_INVALID`).toSorted());
  await expectEnd(platform, agent, wholeLife.slice(2));
  expect(await everythingWritten(life)).not.toContain(secret);
});

lifeTest('unknown events, members, clusters and tenants are one line each', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Active')] });
  const agent = await life.agent();
  await heardAll(agent, untilActive);
  const endless = `\u001b[2J\n${'x'.repeat(100_000)}`;
  const where = { serviceName: 'php', clusterInstanceId: 'a-1', networkPartitionId: 'n', partitionId: 'p' };

  const strange = [
    { topic: 'topology/ServiceExplodedEvent', body: {} },
    { topic: 'topology/deeper/MemberStartedEvent', body: {} },
    { topic: `tenant/${'x'.repeat(60_000)}`, body: {} },
    { topic: 'instance/notifier', body: {} },
    { topic: 'topology/MemberStartedEvent', body: { ...where, clusterId: endless, memberId: shop.memberId } },
    { topic: 'topology/MemberTerminatedEvent', body: { ...where, clusterId: shop.clusterId, memberId: endless } },
    { topic: 'tenant/TenantUpdatedEvent', body: { tenantId: 77, tenantDomain: endless } },
  ].map(({ topic, body }) => ({ topic, payload: JSON.stringify(body) }));
  const lines = await linesAbout(strange, platform, agent);

  expect(lines.map(({ event }) => event).toSorted()).toEqual([
    ...Array.from({ length: 3 }, () => 'message.dropped'),
    ...Array.from({ length: 4 }, () => 'message.refused'),
  ]);
  expect(lines.filter((line) => JSON.stringify(line).length > 2_000)).toEqual([]);
  expect(JSON.stringify(lines)).not.toMatch(/\\u001b|\\n/);
  await expectEnd(platform, agent, wholeLife.slice(2));
});

lifeTest('a flood of bad messages is a handful of lines', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Active')] });
  const agent = await life.agent({ conf: { 'log.level': 'debug' } });
  await agent.entered('active', AbortSignal.timeout(10_000));
  const linesBefore = agent.lines.length;

  const payloads = ['{', '', '[]', `{"memberId":"${secret}"}`];
  const flood = Array.from({ length: 10_000 }, (_, index) => payloads[index % payloads.length] ?? '');
  await Promise.all(flood.map((payload) => platform.publishRaw('instance/notifier/ArtifactUpdatedEvent', payload)));

  await expectEnd(platform, agent, wholeLife.slice(2));
  const written = agent.lines.slice(linesBefore).filter(({ event }) => event.startsWith('message.'));
  // Five for each of three codes at once, then one per code every ten seconds.
  expect(written.length).toBeGreaterThanOrEqual(15);
  expect(written.length).toBeLessThan(25);
});

function complete(topic: string): string {
  return `${topic}/Complete${topic[0]?.toUpperCase()}${topic.slice(1)}Event`;
}

/** Every field any of our topics has, with the same value. */
function fieldsAs(value: unknown): string {
  const names = ['memberId', 'clusterId', 'topology', 'tenant', 'applicationId', 'domainName'];
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, value])));
}

function refusal({ err, code }: LogLine): string {
  return `${(err as { topic?: string } | undefined)?.topic} ${code}`;
}

/** What must not change by what is refused. */
function stateOf(platform: Platform, agent: Agent) {
  return {
    states: agent.lines.filter(({ event }) => event.startsWith('lifecycle.')).length,
    errors: agent.lines.filter(({ level }) => level === 'error').length,
    said: statusEvents(platform.heard),
  };
}
