import type { Service } from '../messages/cluster.ts';
import type { Member } from '../messages/member.ts';
import type { Message } from '../messages/topics.ts';
import { isSame } from './is-same.ts';
import { addCluster, emptyModel, type Model, type ModelCluster, type ModelService, putMember } from './model.ts';
import type { TopologyChange } from './topology-change.ts';

/**
 * Replaces the model by what the event says, and tells what is different: what an increment that got lost would have
 * told. A member that says the same stays the same object.
 *
 * @see protocol.md 5.1
 */
export function applyComplete(model: Model, { body }: Message<'CompleteTopologyEvent'>): TopologyChange[] {
  const before = { ...model };
  Object.assign(model, modelFrom(body.topology.serviceMap));
  if (body.problems.length > 0) keepKnown(model, before);
  const changes = [...missingIn(model, before), ...newIn(model, before), ...memberChanges(model, before)];
  const isDifferent = changes.length > 0 || !isSame(model.services, before.services);
  const first = !before.isComplete;
  return [{ kind: 'complete', first, changed: first || before.isChanged || isDifferent }, ...changes];
}

function modelFrom(services: ReadonlyMap<string, Service>): Model {
  const model = { ...emptyModel(), isComplete: true };
  for (const service of services.values()) {
    const added: ModelService = { ...service, clusters: new Map() };
    model.services.set(service.serviceName, added);
    for (const cluster of service.clusters.values()) addCluster(model, added, cluster);
  }
  return model;
}

/** What could not be read is not gone: what an incomplete reading lacks stays as it was. */
function keepKnown(model: Model, before: Model): void {
  for (const service of before.services.values()) {
    const kept = model.services.get(service.serviceName) ?? { ...service, clusters: new Map() };
    model.services.set(service.serviceName, kept);
    for (const known of service.clusters.values()) {
      const cluster = model.clusters.get(known.clusterId);
      if (cluster === undefined) addCluster(model, kept, known);
      else
        for (const member of known.members.values())
          if (!model.homes.has(member.memberId)) putMember(model, cluster, member);
    }
  }
}

/** What `other` has and `model` has not. Of a cluster that is gone its members are told too, first, as for an event. */
function missingIn(model: Model, other: Model): TopologyChange[] {
  const members = [...membersOf(other)].filter(({ memberId }) => !model.homes.has(memberId));
  const clusters = [...other.clusters.values()].filter(({ clusterId }) => !model.clusters.has(clusterId));
  const services = [...other.services.keys()].filter((serviceName) => !model.services.has(serviceName));
  return [
    ...members.map((member) => ({ kind: 'memberRemoved', member }) as const),
    ...clusters.map(({ serviceName, clusterId }) => ({ kind: 'clusterRemoved', serviceName, clusterId }) as const),
    ...services.map((serviceName) => ({ kind: 'serviceRemoved', serviceName }) as const),
  ];
}

function newIn(model: Model, other: Model): TopologyChange[] {
  const services = [...model.services.keys()].filter((serviceName) => !other.services.has(serviceName));
  const clusters = [...model.clusters.values()].filter(({ clusterId }) => !other.clusters.has(clusterId));
  return [
    ...services.map((serviceName) => ({ kind: 'serviceAdded', serviceName }) as const),
    ...clusters.map(({ serviceName, clusterId }) => ({ kind: 'clusterAdded', serviceName, clusterId }) as const),
    ...[...model.clusters.values()].flatMap((cluster) =>
      instanceChanges(cluster, other.clusters.get(cluster.clusterId)),
    ),
  ];
}

function instanceChanges({ clusterId, instances }: ModelCluster, before: ModelCluster | undefined): TopologyChange[] {
  const ids = new Set([...(before?.instances.keys() ?? []), ...instances.keys()]);
  return [...ids].flatMap((instanceId) => {
    const status = instances.get(instanceId)?.status ?? null;
    const previous = before?.instances.get(instanceId)?.status ?? null;
    return status === previous ? [] : [{ kind: 'clusterInstance', clusterId, instanceId, status, previous }];
  });
}

function memberChanges(model: Model, before: Model): TopologyChange[] {
  const changes: TopologyChange[] = [];
  for (const [memberId, cluster] of model.homes) {
    const member = cluster.members.get(memberId);
    const known = before.homes.get(memberId)?.members.get(memberId);
    if (member === undefined) continue;
    if (member.status !== known?.status) changes.push({ kind: 'member', member, previous: known?.status ?? null });
    else if (isSame(member, known)) putMember(model, cluster, known);
  }
  return changes;
}

function* membersOf({ homes }: Model): Iterable<Member> {
  for (const [memberId, cluster] of homes) {
    const member = cluster.members.get(memberId);
    if (member !== undefined) yield member;
  }
}
