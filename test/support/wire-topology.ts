import type { MemberStatus } from '../../state/messages/member.ts';
import type { EventName, Message } from '../../state/messages/topics.ts';
import type { TopologyChange } from '../../state/topology/topology-change.ts';
import { apply, createTopology, findCluster, findMember, memberStatus, type Topology } from '../../state/topology.ts';
import { expect } from './current-test.ts';
import { messageOf } from './sample-messages.ts';

export const service = { serviceName: 's' };
export const cluster = { ...service, clusterId: 'c' };
export const member = { ...cluster, memberId: 'm' };
export const instance = { ...cluster, instanceId: 'i' };
export const ports = { 8280: { protocol: 'http', value: 80, proxy: 8280 } };
export const activated = { ...member, portMap: ports, defaultPrivateIP: '10.0.0.1', memberPrivateIPs: ['10.0.0.1'] };

/** An event and its body as sent. */
export type Step = readonly [event: EventName, body: object];
/** What the last of some events does to service s with cluster c, instance i and member m. */
export type Case = {
  readonly summary: string;
  /** The life of member m so far; default: Created. Empty: there is no member. */
  readonly life?: readonly MemberStatus[];
  readonly steps: readonly Step[];
  /** What each change of the last step says, in short. */
  readonly changes: readonly string[];
  readonly status?: MemberStatus | 'absent';
};

/** Applies the steps of a case and compares what the last one tells. */
export function expectCase({ life = ['Created'], steps, changes, status }: Case): void {
  const topology = topologyWith(life);

  const last = steps.map(([event, body]) => apply(topology, messageOf(event, body))).at(-1) ?? [];

  expect(last.map(inShort)).toEqual(changes);
  if (status !== undefined) expect(memberStatus(topology, 'm')).toBe(status);
  expect(findCluster(topology, 'c')?.members.get('m')).toBe(findMember(topology, 'm'));
}

/** Service s with cluster c, instance i, and member m with that life. */
export function topologyWith(life: readonly MemberStatus[]): Topology {
  const topology = createTopology();
  apply(topology, complete(life.length === 0 ? wireCluster('c') : wireCluster('c', ['m', ...life])));
  return topology;
}

/** A complete topology of service s with these clusters. */
export function complete(...clusters: readonly object[]): Message<'CompleteTopologyEvent'> {
  const clusterIdClusterMap = Object.fromEntries(clusters.map((body, index) => [String(index), body]));
  return messageOf('CompleteTopologyEvent', { topology: { serviceMap: { s: { ...service, clusterIdClusterMap } } } });
}

/** A cluster as sent; of each member its id and its life so far. */
export function wireCluster(clusterId: string, ...members: readonly (readonly [string, ...MemberStatus[]])[]) {
  const memberMap = members.map(([memberId, ...stateStack]) => [
    memberId,
    { ...member, clusterId, memberId, memberStateManager: { stateStack } },
  ]);
  return {
    ...service,
    clusterId,
    memberMap: Object.fromEntries(memberMap),
    instanceIdToInstanceContextMap: { i: wireInstance('i') },
  };
}

export function wireInstance(instanceId: string) {
  return { instanceId, alias: 'web', lifeCycleStateManager: { stateStack: ['Created'] } };
}

/** A change in one line. */
export function inShort(change: TopologyChange): string {
  switch (change.kind) {
    case 'complete':
      return `complete${change.first ? ', first' : ''}${change.changed ? ', changed' : ''}`;
    case 'member':
      return `${change.member.memberId}: ${change.previous} -> ${change.member.status}`;
    case 'memberRemoved':
      return `${change.member.memberId} removed, was ${change.member.status}`;
    case 'serviceAdded':
    case 'serviceRemoved':
      return `${change.kind} ${change.serviceName}`;
    case 'clusterAdded':
    case 'clusterRemoved':
      return `${change.kind} ${change.clusterId}`;
    case 'clusterInstance':
      return `instance ${change.instanceId}: ${change.previous} -> ${change.status}`;
    case 'dropped':
      return `dropped ${change.event}: ${change.reason} ${change.id}`;
    case 'unreadable':
      return `unreadable: ${change.problems.length}`;
  }
}

/** Every member's status. */
export function statusesOf({ clusters }: Topology): Record<string, MemberStatus> {
  return Object.fromEntries(
    [...clusters.values()].flatMap(({ members }) =>
      [...members.values()].map(({ memberId, status }) => [memberId, status]),
    ),
  );
}
