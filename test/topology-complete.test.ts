import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MemberStatus } from '../state/messages/member.ts';
import type { TopologyChange } from '../state/topology/topology-change.ts';
import { apply, createTopology, findCluster, findMember, memberStatus } from '../state/topology.ts';
import { messageOf, sampleMessage } from './support/sample-messages.ts';
import {
  activated,
  cluster,
  complete,
  inShort,
  instance,
  member,
  type Step,
  service,
  statusesOf,
  topologyWith,
  wireCluster,
  wireInstance,
} from './support/wire-topology.ts';

describe('a complete topology', () => {
  test('tells everything the first time', () => {
    const topology = createTopology();

    const changes = apply(topology, sampleMessage('CompleteTopologyEvent'));

    expect(changes[0]).toEqual({ kind: 'complete', first: true, changed: true });
    expect(changes.filter(({ kind }) => kind === 'member')).toHaveLength(5);
    expect(topology).toMatchObject({ isComplete: true });
    expect([...topology.clusters.keys()]).toHaveLength(3);
  });

  test('tells what increments that got lost would have told', () => {
    const topology = createTopology();
    apply(topology, complete(wireCluster('c', ['m', 'Created'], ['gone', 'Active']), wireCluster('d')));

    const changes = apply(topology, complete(wireCluster('c', ['m', 'Active'], ['new', 'Created']), wireCluster('e')));

    expect(changes.map(inShort)).toEqual([
      'complete, changed',
      'gone removed, was Active',
      'clusterRemoved d',
      'clusterAdded e',
      'instance i: null -> Created',
      'm: Created -> Active',
      'new: null -> Created',
    ]);
  });

  test('that says the same tells so, and keeps the members', () => {
    const topology = topologyWith(['Active']);
    const before = findMember(topology, 'm');

    const changes = apply(topology, complete(wireCluster('c', ['m', 'Active'])));

    expect(changes).toEqual([{ kind: 'complete', first: false, changed: false }]);
    expect(findMember(topology, 'm')).toBe(before);
  });

  test('of which a part cannot be read takes nothing away', () => {
    const topology = createTopology();
    apply(topology, complete(wireCluster('c', ['m', 'Active'], ['n', 'Active']), wireCluster('d', ['o', 'Active'])));
    const unreadable = { ...wireCluster('d', ['o', 'Active']), clusterId: 7 };

    const changes = apply(topology, complete(wireCluster('c', ['m', 'In_Maintenance']), unreadable as never));

    expect(changes.filter(({ kind }) => kind === 'memberRemoved' || kind === 'clusterRemoved')).toEqual([]);
    expect(['m', 'n', 'o'].map((id) => memberStatus(topology, id))).toEqual(['In_Maintenance', 'Active', 'Active']);
    expect(findCluster(topology, 'd')?.members.size).toBe(1);
  });

  test('is also changed when an event since the last one was, or when a detail is', () => {
    const topology = topologyWith(['Created']);
    apply(topology, messageOf('MemberInitializedEvent', member));
    const afterEvent = apply(topology, complete(wireCluster('c', ['m', 'Created', 'Initialized'])));
    const detail = { ...wireCluster('c', ['m', 'Created', 'Initialized']), hostNames: ['new.example.com'] };

    const afterDetail = apply(topology, complete(detail));

    expect(afterEvent).toEqual([{ kind: 'complete', first: false, changed: true }]);
    expect(afterDetail).toEqual([{ kind: 'complete', first: false, changed: true }]);
    expect(findCluster(topology, 'c')?.hostNames).toEqual(['new.example.com']);
  });

  test('does not share its maps with the model', () => {
    const message = complete(wireCluster('c', ['m', 'Created']));
    const topology = createTopology();
    apply(topology, message);
    apply(topology, messageOf('MemberTerminatedEvent', member));

    apply(topology, message);

    expect(memberStatus(topology, 'm')).toBe('Created');
  });

  test('reports what could not be read', () => {
    const topology = createTopology();

    const changes = apply(topology, complete(wireCluster('c', ['m', 'Created']), { clusterId: 5 }));

    expect(changes.map(inShort)).toContain('unreadable: 1');
    expect(memberStatus(topology, 'm')).toBe('Created');
  });
});

describe('any history', () => {
  const statusEvents = [
    'MemberCreatedEvent',
    'MemberInitializedEvent',
    'MemberStartedEvent',
    'MemberActivatedEvent',
    'MemberMaintenanceModeEvent',
    'MemberReadyToShutdownEvent',
    'MemberSuspendedEvent',
    'MemberTerminatedEvent',
  ] as const;
  const memberSteps = fc
    .tuple(fc.constantFrom(...statusEvents), fc.constantFrom('m', 'n', 'o'), fc.constantFrom('c', 'd', 'x'))
    .map(([event, memberId, clusterId]): Step => [event, { ...activated, memberId, clusterId }]);
  const otherSteps = fc.constantFrom<Step>(
    ['ServiceCreatedEvent', service],
    ['ServiceRemovedEvent', service],
    ['ClusterCreatedEvent', { cluster: wireCluster('d', ['n', 'Starting']) }],
    ['ClusterRemovedEvent', { ...cluster, clusterId: 'd' }],
    ['ClusterInstanceCreatedEvent', { ...cluster, clusterInstance: wireInstance('j') }],
    ['ClusterInstanceActivatedEvent', instance],
    ['ClusterInstanceTerminatedEvent', instance],
  );
  const steps = fc.array(fc.oneof({ weight: 4, arbitrary: memberSteps }, otherSteps), { maxLength: 40 });

  test('of increments, whatever was repeated, lost or swapped, ends in the complete topology that follows', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const topology = topologyWith(['Created']);
        const end = complete(wireCluster('c', ['m', 'Active'], ['o', 'Created']), wireCluster('d'));
        for (const [event, body] of history) apply(topology, messageOf(event, body));

        apply(topology, end);

        const fresh = createTopology();
        apply(fresh, end);
        expect(topology).toEqual(fresh);
      }),
    );
  });

  test('tells enough to follow every member, each status once', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const topology = createTopology();
        const followed = new Map<string, MemberStatus>();
        const messages = [
          complete(wireCluster('c', ['m', 'Created'])),
          ...history.map(([event, body]) => messageOf(event, body)),
          complete(wireCluster('c', ['o', 'Active'])),
        ];

        for (const message of messages) for (const change of apply(topology, message)) follow(followed, change);

        expect(Object.fromEntries(followed)).toEqual(statusesOf(topology));
      }),
    );
  });

  test('once applied, an increment applied again tells nothing new', () => {
    fc.assert(
      fc.property(steps, memberSteps, (history, [event, body]) => {
        const topology = topologyWith(['Created']);
        for (const step of history) apply(topology, messageOf(...step));
        apply(topology, messageOf(event, body));
        const before = statusesOf(topology);

        const again = apply(topology, messageOf(event, body));

        expect(again.filter(({ kind }) => kind !== 'dropped')).toEqual([]);
        expect(statusesOf(topology)).toEqual(before);
      }),
    );
  });
});

test('ten thousand members of one cluster change as fast as a broker delivers', () => {
  const ids = Array.from({ length: 10_000 }, (_, index) => `m${index}`);
  const topology = createTopology();
  apply(topology, complete(wireCluster('c', ...ids.map((id) => [id, 'Initialized'] as const))));
  const events = ids.flatMap((memberId) => [
    messageOf('MemberStartedEvent', { ...member, memberId }),
    messageOf('MemberActivatedEvent', { ...activated, memberId }),
  ]);

  const start = performance.now();
  for (const event of events) apply(topology, event);
  const perSecond = (events.length / (performance.now() - start)) * 1_000;

  expect(findCluster(topology, 'c')?.members.get('m9999')?.status).toBe('Active');
  expect(perSecond).toBeGreaterThan(50_000); // 200,000 and more on an idle machine; this one shares its cores
});

function follow(followed: Map<string, MemberStatus>, change: TopologyChange): void {
  if (change.kind === 'memberRemoved') followed.delete(change.member.memberId);
  if (change.kind !== 'member') return;
  const { memberId, status } = change.member;
  expect(change.previous).toBe(followed.get(memberId) ?? null);
  expect(status).not.toBe(change.previous);
  followed.set(memberId, status);
}
