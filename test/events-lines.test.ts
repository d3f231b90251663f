import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decode, type Entry, type Filter, knownEvents } from '../agent/commands/events/entry.ts';
import { jsonLine, mayColour, textLines } from '../agent/commands/events/lines.ts';
import { topicOf } from '../state/messages/topics.ts';
import { bigTopology } from './support/big-topology.ts';

const everything: Filter = { events: new Set(), members: [] };
const own = 'shop-app.web.php.domain1c2f6d0e-8a4b-4f5c-9f1a-0d3b6e7a9c21';
const cluster = 'shop-app.web.php.domain';
const at = Date.UTC(2026, 2, 4, 9, 52, 11, 40);
// No control characters, nothing that turns the direction of writing, no second line.
const oneLine = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+\n$/u;

const samples = [
  ['CompleteTopologyRequestEvent', 'asks for the complete topology'],
  ['CompleteTenantRequestEvent', 'asks for all tenants'],
  ['CompleteApplicationSignUpsRequestEvent', 'asks for all sign-ups'],
  ['CompleteApplicationsRequestEvent', 'asks for all applications'],
  [
    'CompleteTopologyEvent',
    '2 services, 3 clusters, 5 members (1 Created, 1 Initialized, 1 Starting, 1 Active, 1 In_Maintenance)',
  ],
  ['CompleteTopologyEvent-4.1.x', '2 services, 3 clusters, 5 members'],
  ['ServiceCreatedEvent', 'service php was added, SingleTenant, ports 80 443'],
  ['ServiceRemovedEvent', 'service legacy-php was removed'],
  ['ApplicationClustersCreatedEvent', 'application news-app got 1 cluster: news-app.www.php.domain'],
  ['ApplicationClustersRemovedEvent', 'application news-app lost 1 cluster: news-app.www.php.domain'],
  ['ClusterCreatedEvent', 'cluster news-app.www.php.domain of service php was added'],
  ['ClusterRemovedEvent', 'cluster news-app.www.php.domain of service php was removed'],
  ['ClusterInstanceCreatedEvent', `cluster instance shop-app-2 of ${cluster} is Created`],
  ['ClusterInstanceActivatedEvent', `shop-app-1 of ${cluster} is Active, http://shop-app.web.php.example.com:80`],
  ['ClusterInstanceInactivateEvent', `cluster instance shop-app-1 of ${cluster} is Inactive`],
  ['ClusterInstanceTerminatingEvent', `cluster instance shop-app-1 of ${cluster} is Terminating`],
  ['ClusterInstanceTerminatedEvent', `cluster instance shop-app-1 of ${cluster} is Terminated`],
  ['ClusterResetEvent', `cluster instance shop-app-1 of ${cluster} is Created again`],
  ['MemberCreatedEvent', `…0d3b6e7a9c21  is Created in ${cluster} (shop-app-1)`],
  ['MemberInitializedEvent', `…0d3b6e7a9c21  is Initialized in ${cluster} (shop-app-1), 10.0.0.12, public 192.0.2.12`],
  ['MemberStartedEvent', `…0d3b6e7a9c21  is Starting in ${cluster} (shop-app-1)`],
  ['MemberActivatedEvent', `is Active in ${cluster} (shop-app-1), ports 80 443, 10.0.0.12, public 192.0.2.12`],
  ['MemberMaintenanceModeEvent', `…52e1c0de0003  is In_Maintenance in ${cluster} (shop-app-1)`],
  ['MemberReadyToShutdownEvent', `…52e1c0de0003  is ReadyToShutDown in ${cluster} (shop-app-1)`],
  ['MemberSuspendedEvent', `…0d3b6e7a9c21  is Suspended in ${cluster}`],
  ['MemberTerminatedEvent', `…52e1c0de0003  is Terminated in ${cluster} (shop-app-1)`],
  ['CompleteTenantEvent', '3 tenants'],
  ['TenantCreatedEvent', 'tenant 4 was added: umbrella.example.com'],
  ['TenantUpdatedEvent', 'tenant 4 is now umbrella2.example.com'],
  ['TenantRemovedEvent', 'tenant 4 was removed'],
  ['ArtifactUpdatedEvent', `${cluster} is to fetch https://git.example.com/shop/web.git for tenant 1`],
  ['ArtifactUpdatedEvent-public-repo', 'https://git.example.com/shop/public-web.git for tenant -1234'],
  ['InstanceCleanupMemberEvent', '…0d3b6e7a9c21  is to be taken down'],
  ['InstanceCleanupClusterEvent', `all members in ${cluster} (shop-app-1) are to be taken down`],
  ['InstanceStartedEvent', `says it has started, in ${cluster} (shop-app-1) of application shop-app`],
  ['InstanceActivatedEvent', `…0d3b6e7a9c21  says it is active, in ${cluster} (shop-app-1)`],
  ['InstanceMaintenanceModeEvent', `…0d3b6e7a9c21  says it is going down, in ${cluster} (shop-app-1)`],
  ['InstanceReadyToShutdownEvent', `…0d3b6e7a9c21  says it may be switched off, in ${cluster} (shop-app-1)`],
  ['CompleteApplicationSignUpsEvent', '2 sign-ups of 2 applications by 2 tenants, 1 domain mapping'],
  ['ApplicationSignUpAddedEvent', 'tenant 2 signed up to application portal-app, portal-app.apps.tomcat-mt.domain'],
  ['ApplicationSignUpRemovedEvent', 'tenant 2 no longer uses application portal-app'],
  ['DomainMappingAddedEvent', `www.shop.example.com/ of tenant 1 leads to ${cluster}`],
  ['DomainMappingRemovedEvent', `www.shop.example.com of tenant 1 no longer leads to ${cluster}`],
] as const;

test.for(samples)('%s is one line that says: %s', ([file, says]) => {
  const entry = entryOf(topicOfSample(file), readSample(file));

  const text = textLines({ colour: false })(entry, at);
  const json = jsonLine(entry, at);

  const { event } = entry;
  expect(entry.problem).toBeNull();
  expect(text).toMatch(oneLine);
  expect(text).toMatch(new RegExp(`^2026-03-04T09:52:11\\.040Z  ${entry.folder} +${event} `));
  expect(text).toContain(says);
  expect(JSON.parse(json)).toMatchObject({
    schema: 'cartridge-agent.event/1',
    time: '2026-03-04T09:52:11.040Z',
    event,
  });
  expect(`${text}${json}`).not.toMatch(/devsCWCu8q8n31QXH4F7YA|[pP]assword":"(?!\[redacted\])/);
});

test('every sample of an event has its line above', () => {
  const files = readdirSync('test/samples').filter((name) => /Event(-.*)?\.json$/.test(name));

  expect(samples.map(([file]) => `${file}.json`).toSorted()).toEqual(files.toSorted());
});

test('every event that can be filtered for has a topic, but presence', () => {
  const names = knownEvents.filter((name) => name !== 'Presence');

  expect(
    names.map((name) =>
      topicOf(name as Parameters<typeof topicOf>[0])
        .split('/')
        .at(-1),
    ),
  ).toEqual(names);
});

test('a statistic tells its value', () => {
  const body = { clusterId: cluster, memberId: own, healthDescription: 'load_average', value: 12.3456, timestamp: at };

  expect(textOf('health/statistics/HealthStatisticsEvent', JSON.stringify(body))).toContain('load_average 12.35 %');
});

test.for([
  {
    summary: 'a whole one',
    payload: { state: 'started', condition: 'blocked', link: 'up', message: 'git: Permission denied' },
    says: 'php-1          is started / blocked, link up: git: Permission denied',
  },
  { summary: 'a will', payload: { link: 'down' }, says: 'is link down' },
  { summary: 'one of a stranger', payload: [1, 2], says: 'is present' },
])('presence is told: $summary', ({ payload, says }) => {
  expect(textOf('cartridge-agent/presence/php-1', JSON.stringify(payload))).toContain(says);
});

test('presence that was deleted is told', () => {
  expect(textOf('cartridge-agent/presence/php-1', '')).toContain('has taken back its presence');
});

test.for([
  { topic: 'topology/MemberExplodedEvent', payload: '{}', code: 'MESSAGE_UNKNOWN_EVENT' },
  { topic: 'kitchen', payload: 'on', code: 'MESSAGE_UNKNOWN_EVENT' },
  { topic: '/', payload: 'on', code: 'MESSAGE_UNKNOWN_EVENT' },
  { topic: 'topology/MemberStartedEvent', payload: '', code: 'MESSAGE_EMPTY' },
  { topic: 'topology/MemberStartedEvent', payload: '{"memberId":"a', code: 'MESSAGE_NOT_JSON' },
  { topic: 'topology/MemberStartedEvent', payload: 'hunter2', code: 'MESSAGE_NOT_JSON' },
  { topic: 'topology/MemberStartedEvent', payload: '{"memberId":["hunter2"]}', code: 'MESSAGE_INVALID' },
  { topic: 'topology/CompleteTopologyEvent', payload: '{"topology":null}', code: 'MESSAGE_INVALID' },
  { topic: 'cartridge-agent/presence/php-1', payload: '{hunter2', code: 'MESSAGE_NOT_JSON' },
  { topic: 'cartridge-agent/presence/php-1', payload: `["${'x'.repeat(2 ** 21)}"]`, code: 'MESSAGE_INVALID' },
])('$payload on $topic cannot be read: $code', ({ topic, payload, code }) => {
  const entry = entryOf(topic, payload);

  expect(textLines({ colour: false })(entry, at)).toContain('cannot be read: ');
  expect(JSON.parse(jsonLine(entry, at))).toMatchObject({ topic, memberId: null, body: null, problem: { code } });
  expect(entry.says).not.toContain('hunter2');
});

test('what a complete topology has left out is told', () => {
  const broken = readSample('CompleteTopologyEvent').replace('"In_Maintenance"]', '"Exploded"]');

  const entry = entryOf('topology/CompleteTopologyEvent', broken);

  expect(entry.says).toMatch(/4 members .*; left out member at byte \d+: memberStateManager/);
  expect(entry.body).toMatchObject({ memberCount: 4, leftOut: [expect.stringContaining('stateStack')] });
});

test('a complete topology of thousands is a short line, in JSON too', () => {
  const entry = entryOf('topology/CompleteTopologyEvent', bigTopology({ members: 3_000 }));

  expect(entry.says).toContain('3000 members');
  expect(jsonLine(entry, at).length).toBeLessThan(1_000);
});

test.for(['9C21', '…0d3b6e7a9c21'.slice(1), own])('--member %s finds the events that name it', (part) => {
  const filter = { ...everything, members: [part.toLowerCase()] };
  const found = samples.filter(([file]) => decode(topicOfSample(file), bytes(readSample(file)), filter) !== null);

  expect(found.map(([file]) => file)).toEqual([
    'CompleteTopologyEvent',
    'CompleteTopologyEvent-4.1.x',
    'MemberCreatedEvent',
    'MemberInitializedEvent',
    'MemberStartedEvent',
    'MemberActivatedEvent',
    'MemberSuspendedEvent',
    'InstanceCleanupMemberEvent',
    'InstanceStartedEvent',
    'InstanceActivatedEvent',
    'InstanceMaintenanceModeEvent',
    'InstanceReadyToShutdownEvent',
  ]);
});

test('a complete topology tells the status of the member that was asked for', () => {
  const filter = { ...everything, members: ['9c21'] };

  const entry = decode('topology/CompleteTopologyEvent', bytes(readSample('CompleteTopologyEvent')), filter);

  expect(entry?.says).toMatch(/; …0d3b6e7a9c21 is Initialized$/);
  expect(entry?.body).toMatchObject({ members: [{ memberId: own, clusterId: cluster, status: 'Initialized' }] });
});

test('no secret is printed, wherever it stands', () => {
  const artifact = {
    ...{ clusterId: cluster, tenantId: '1', repoUserName: 'hunter2', repoPassword: 'hunter2' },
    repoURL: 'https://deploy:hunter2/@?#hunter2@git.example.com/shop/web.git?token=hunter2#hunter2',
  };
  const created = {
    ...{ serviceName: 'php', clusterId: cluster, memberId: own, hunter2: 'hunter2' },
    properties: { 'payload_parameter.MYSQL_PASSWORD': 'hunter2', MIN_COUNT: '2' },
  };
  const activated = { serviceName: 'php', clusterId: cluster, instanceId: 'a', accessUrls: ['http://u:hunter2@a/'] };
  const presence = { state: 'started', message: 'cannot clone https://u:hunter2@git.example.com/a' };

  const printed = [
    bothOf('instance/notifier/ArtifactUpdatedEvent', JSON.stringify(artifact)),
    bothOf('topology/MemberCreatedEvent', JSON.stringify(created)),
    bothOf('topology/ClusterInstanceActivatedEvent', JSON.stringify(activated)),
    bothOf('cartridge-agent/presence/php-1', JSON.stringify(presence)),
  ].join('');

  expect(printed).not.toContain('hunter2');
  expect(printed).not.toContain('cannot be read');
  expect(printed).toContain('https://git.example.com/shop/web.git for tenant 1');
  expect(printed).toContain('"MIN_COUNT":"2"');
  expect(printed).toContain('cannot clone https://git.example.com/a');
});

test('whatever a message is, it becomes one line without control characters', () => {
  const unit = fc.constantFrom(...'\u0000\n\u001b\u007f\u009b\u00ad\u202e\u2028\u{e0001}\ud800a/"€');
  const nasty = fc.string({ unit });
  const known = fc.constantFrom(...samples.map(([file]) => topicOfSample(file)), 'cartridge-agent/presence/php-1');
  const ids = fc.record({
    clusterId: nasty,
    memberId: nasty,
    serviceName: nasty,
    tenantDomain: nasty,
    tenantId: nasty,
  });
  const payload = fc.oneof(fc.uint8Array(), fc.json().map(bytes), ids.map(JSON.stringify).map(bytes));

  fc.assert(
    fc.property(fc.oneof(nasty, known), payload, (topic, body) => {
      const entry = decode(topic, body, everything) ?? expect.fail('it was asked for');

      expect(textLines({ colour: false })(entry, at)).toMatch(oneLine);
      expect(jsonLine(entry, at)).toMatch(oneLine);
      expect(JSON.parse(jsonLine(entry, at))).toMatchObject({ event: expect.any(String), body: entry.body && {} });
    }),
    { numRuns: 300 },
  );
});

test.for([
  { summary: 'deep nesting', body: `{"memberId":${'['.repeat(400_000)}` },
  { summary: 'deep presence', body: `{"artifact":${'['.repeat(400_000)}${']'.repeat(400_000)}}` },
  { summary: 'endless addresses', body: `{"state":"${'a://'.repeat(200_000)}"}` },
  { summary: 'an endless word', body: `{"state":"${'a'.repeat(900_000)}"}` },
])('$summary takes no time', ({ body }) => {
  const since = performance.now();

  for (const topic of ['cartridge-agent/presence/php-1', 'topology/MemberStartedEvent']) bothOf(topic, body);

  expect(performance.now() - since).toBeLessThan(2_000);
});

test.for([
  { env: {}, isTTY: true, colour: true },
  { env: {}, isTTY: false, colour: false },
  { env: { NO_COLOR: '1' }, isTTY: true, colour: false },
  { env: { TERM: 'dumb' }, isTTY: true, colour: false },
  { env: { FORCE_COLOR: '1' }, isTTY: false, colour: true },
  { env: { FORCE_COLOR: '0' }, isTTY: true, colour: false },
])('on a terminal: $isTTY, with $env, colour: $colour', ({ env, isTTY, colour }) => {
  const output = Object.assign(Object.create(process.stdout), { isTTY }) as NodeJS.WritableStream;

  expect(mayColour(output, env)).toBe(colour);
});

function entryOf(topic: string, payload: string): Entry {
  return decode(topic, bytes(payload), everything) ?? expect.fail('it was asked for');
}

function textOf(topic: string, payload: string): string {
  return textLines({ colour: false })(entryOf(topic, payload), at);
}

function bothOf(topic: string, payload: string): string {
  return `${textOf(topic, payload)}${jsonLine(entryOf(topic, payload), at)}`;
}

function topicOfSample(file: string): string {
  return topicOf(file.replace(/-.*/, '') as Parameters<typeof topicOf>[0]);
}

function readSample(file: string): string {
  return readFileSync(`test/samples/${file}.json`, 'utf8');
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
