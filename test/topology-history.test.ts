import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EventName, Message } from '../state/messages/topics.ts';
import type { DropReason, TopologyChange } from '../state/topology/topology-change.ts';
import { apply, createTopology, findMember, type Topology } from '../state/topology.ts';
import { messageOf } from './support/sample-messages.ts';
import { wireInstance } from './support/wire-topology.ts';

type Dropped = Extract<TopologyChange, { kind: 'dropped' }>;

/** Some more often than others, so that much happens to them. */
const serviceName = fc.constantFrom('s', 's', 's', 't');
const clusterId = fc.constantFrom('c', 'c', 'd', 'e');
const memberId = fc.constantFrom('m', 'm', 'n', 'o');
const instanceId = fc.constantFrom('i', 'j');
const address = fc.constantFrom('10.0.0.1', '10.0.0.2');
const port = fc.constantFrom(8280, 8243);
const portMap = fc
  .uniqueArray(port)
  .map((proxies) => Object.fromEntries(proxies.map((proxy) => [proxy, { protocol: 'http', value: 80, proxy }])));
const life = ['Created', 'Initialized', 'Starting', 'Active', 'In_Maintenance', 'ReadyToShutDown'];
const stateStack = fc.nat({ max: life.length - 1 }).map((last) => life.slice(0, last + 1));

/** A member as the platform tells of it, in a complete topology or with its own event. */
const member = fc.record(
  {
    serviceName,
    clusterId,
    memberId,
    portMap,
    defaultPrivateIP: address,
    memberPrivateIPs: address.map((it) => [it]),
    defaultPublicIP: address,
    instanceId,
    clusterInstanceId: instanceId,
    properties: fc.constantFrom({}, { MIN_COUNT: '2' }),
    memberStateManager: stateStack.map((stack) => ({ stateStack: stack })),
  },
  { requiredKeys: ['serviceName', 'clusterId', 'memberId', 'portMap', 'memberStateManager'] },
);
const cluster = fc
  .record({
    clusterId,
    members: fc.uniqueArray(member, { selector: (it) => it.memberId, maxLength: 3 }),
    instances: fc.uniqueArray(instanceId),
    hostNames: fc.constantFrom([], ['www.example.org']),
    loadBalancerIps: fc.subarray(['192.0.2.1', '192.0.2.2']),
    accessUrls: fc.constantFrom({}, { i: ['http://www.example.org'] }),
  })
  .map(({ members, instances, ...cluster }) => ({
    ...cluster,
    memberMap: Object.fromEntries(members.map((it) => [it.memberId, { ...it, clusterId: cluster.clusterId }])),
    instanceIdToInstanceContextMap: Object.fromEntries(instances.map((id) => [id, wireInstance(id)])),
  }));
const inService = fc.tuple(serviceName, cluster).map(([name, it]) => ({ ...it, serviceName: name }));

/** Every member has one home and every cluster one service, as the platform sees to. */
const complete = fc
  .record({
    services: fc.uniqueArray(serviceName),
    clusters: fc.uniqueArray(inService, { selector: (it) => it.clusterId }),
  })
  .map(({ services, clusters }) => {
    const homes = new Set<string>();
    const settled = clusters.map((it) => ({ ...it, memberMap: withoutThose(it.memberMap, homes) }));
    const serviceMap = Object.fromEntries(
      services.map((name) => {
        const own = settled.filter((it) => it.serviceName === name).map((it) => [it.clusterId, it]);
        return [name, { serviceName: name, clusterIdClusterMap: Object.fromEntries(own) }];
      }),
    );
    return messageOf('CompleteTopologyEvent', { topology: { serviceMap } });
  });
/** One of which a part cannot be read. */
const unreadable = serviceName.map((name) =>
  messageOf('CompleteTopologyEvent', {
    topology: { serviceMap: { [name]: { serviceName: name, clusterIdClusterMap: { c: { clusterId: 5 } } } } },
  }),
);
const ofMember = ['Created', 'Initialized', 'Started', 'Activated', 'MaintenanceMode', 'ReadyToShutdown', 'Terminated'];
const ofInstance = ['Activated', 'Inactivate', 'Terminating', 'Terminated'];
const ids = fc.record({ serviceName, clusterId, instanceId });
const increment = fc.oneof(
  {
    weight: 8,
    arbitrary: events(
      ofMember.map((it) => `Member${it}Event`),
      member,
    ),
  },
  events(['MemberSuspendedEvent'], member),
  events(
    [...ofInstance.map((it) => `ClusterInstance${it}Event`), 'ClusterResetEvent'],
    fc.record({ serviceName, clusterId, instanceId, accessUrls: fc.webUrl().map((url) => [url]) }),
  ),
  events(
    ['ClusterInstanceCreatedEvent'],
    ids.map((it) => ({ ...it, clusterInstance: wireInstance(it.instanceId) })),
  ),
  events(['ServiceCreatedEvent'], fc.record({ serviceName, portMap })),
  events(['ServiceRemovedEvent'], fc.record({ serviceName })),
  events(['ClusterRemovedEvent'], ids),
  events(['ClusterCreatedEvent'], fc.record({ cluster: inService })),
  events(['ApplicationClustersCreatedEvent'], fc.record({ clusterList: fc.array(inService, { maxLength: 3 }) })),
  events(
    ['ApplicationClustersRemovedEvent'],
    ids.map((it) => ({ clusterData: [{ serviceType: it.serviceName, clusterId: it.clusterId }] })),
  ),
);
/** Some are said again at any time later, in any order, and between them all is told anew. */
const history: fc.Arbitrary<Message[]> = fc
  .tuple(
    fc.array(increment, { maxLength: 25, size: 'max' }),
    fc.array(fc.oneof(complete, unreadable), { maxLength: 3 }),
  )
  .chain(([increments, completes]) => {
    const all = [...increments, ...completes];
    const order = fc.array(fc.nat({ max: Math.max(0, all.length - 1) }), { maxLength: 60, size: 'max' });
    return order.map((indices) => indices.flatMap((index) => all[index] ?? []));
  });

describe('any order of duplicates and gaps', () => {
  test('followed by a complete topology ends in what that says, and nothing else', () => {
    fc.assert(
      fc.property(complete, history, complete, (first, messages, last) => {
        const topology = createTopology();
        for (const message of [first, ...messages, last]) apply(topology, message);

        const fresh = createTopology();
        apply(fresh, last);
        expect(topology).toEqual(fresh);
        expect(apply(topology, last)).toEqual([{ kind: 'complete', first: false, changed: false }]);
      }),
      { numRuns: 400 },
    );
  });

  test('is told so that whoever listens knows each service, cluster and member there is', () => {
    fc.assert(
      fc.property(complete, history, complete, (first, messages, last) => {
        const topology = createTopology();
        const known = new Map<string, string | null>();

        for (const message of [first, ...messages, last]) {
          for (const change of apply(topology, message)) {
            follow(known, change);
            if (isDroppedFor(change, 'elsewhere')) expect(findMember(topology, change.id ?? '')).toBeDefined();
          }
          expect(Object.fromEntries(known)).toEqual(namesIn(topology));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('leaves every member in one home, which finds it', () => {
    fc.assert(
      fc.property(complete, history, (first, messages) => {
        const topology = createTopology();
        for (const message of [first, ...messages]) apply(topology, message);

        const members = [...topology.clusters.values()].flatMap((it) => [...it.members.values()]);
        expect(new Set(members.map((it) => it.memberId)).size).toBe(members.length);
        for (const it of members) expect(findMember(topology, it.memberId)).toBe(it);
        const ofServices = [...topology.services.values()].flatMap((it) => [...it.clusters.values()]);
        expect(new Set(ofServices)).toEqual(new Set(topology.clusters.values()));
      }),
      { numRuns: 200 },
    );
  });
});

function events(names: readonly string[], bodies: fc.Arbitrary<object>): fc.Arbitrary<Message> {
  return fc
    .tuple(fc.constantFrom(...names), bodies)
    .map(([event, body]) => messageOf(event as EventName, body) as unknown as Message);
}

function withoutThose<Value>(map: Record<string, Value>, seen: Set<string>): Record<string, Value> {
  const isNew = (key: string) => !seen.has(key) && seen.add(key);
  return Object.fromEntries(Object.entries(map).filter(([key]) => isNew(key)));
}

/** What one who hears of nothing but changes knows: by kind and name, and of what has one its status. */
function follow(known: Map<string, string | null>, change: TopologyChange): void {
  switch (change.kind) {
    case 'serviceAdded':
      return void known.set(`service ${change.serviceName}`, null);
    case 'serviceRemoved':
      return void known.delete(`service ${change.serviceName}`);
    case 'clusterAdded':
      return void known.set(`cluster ${change.clusterId}`, null);
    case 'clusterRemoved':
      return void known.delete(`cluster ${change.clusterId}`);
    case 'member':
      return void known.set(`member ${change.member.memberId}`, change.member.status);
    case 'memberRemoved':
      return void known.delete(`member ${change.member.memberId}`);
    default:
  }
}

function isDroppedFor(change: TopologyChange, reason: DropReason): change is Dropped {
  return change.kind === 'dropped' && change.reason === reason;
}

function namesIn({ services, clusters }: Topology): Record<string, string | null> {
  const members = [...clusters.values()].flatMap((it) => [...it.members.values()]);
  return Object.fromEntries([
    ...[...services.keys()].map((name) => [`service ${name}`, null]),
    ...[...clusters.keys()].map((id) => [`cluster ${id}`, null]),
    ...members.map((it) => [`member ${it.memberId}`, it.status]),
  ]);
}
