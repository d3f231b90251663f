import type { Cluster, ClusterInstance, Service } from '../messages/cluster.ts';
import type { Member } from '../messages/member.ts';
import type { EventName } from '../messages/topics.ts';
import type { DropReason, TopologyChange } from './topology-change.ts';

/** The topology as this folder sees it: maps that are changed in place, of values that never are. */
export type Model = {
  isComplete: boolean;
  /** Something changed since the last complete topology. */
  isChanged: boolean;
  services: Map<string, ModelService>;
  /** All clusters of all services. */
  clusters: Map<string, ModelCluster>;
  /** Which cluster a member is in. */
  homes: Map<string, ModelCluster>;
};

export type ModelService = Omit<Service, 'clusters'> & { readonly clusters: Map<string, ModelCluster> };

export type ModelCluster = Omit<Cluster, 'loadBalancerIps' | 'accessUrls' | 'instances' | 'members'> & {
  loadBalancerIps: readonly string[];
  readonly accessUrls: Map<string, readonly string[]>;
  readonly instances: Map<string, ClusterInstance>;
  readonly members: Map<string, Member>;
};

export function emptyModel(): Model {
  return { isComplete: false, isChanged: false, services: new Map(), clusters: new Map(), homes: new Map() };
}

/**
 * Puts a copy of the cluster into the model: the event it came with may be applied again. Ids are unique in the whole
 * installation: a cluster or member that is known elsewhere stays there.
 *
 * @returns undefined if there is such a cluster
 */
export function addCluster(model: Model, service: ModelService, cluster: Cluster): ModelCluster | undefined {
  const { clusterId, accessUrls, instances, members } = cluster;
  if (model.clusters.has(clusterId)) return undefined;
  const added = { ...cluster, accessUrls: new Map(accessUrls), instances: new Map(instances), members: new Map() };
  service.clusters.set(clusterId, added);
  model.clusters.set(clusterId, added);
  for (const member of members.values()) if (!model.homes.has(member.memberId)) putMember(model, added, member);
  return added;
}

/** @returns the cluster and its members as they were */
export function removeCluster(model: Model, service: ModelService, cluster: ModelCluster): TopologyChange[] {
  const { serviceName } = service;
  const { clusterId } = cluster;
  const members = [...cluster.members.values()].map((member) => removeMember(model, cluster, member));
  service.clusters.delete(clusterId);
  model.clusters.delete(clusterId);
  return [...members, { kind: 'clusterRemoved', serviceName, clusterId }];
}

export function putMember(model: Model, cluster: ModelCluster, member: Member): void {
  cluster.members.set(member.memberId, member);
  model.homes.set(member.memberId, cluster);
}

export function removeMember(model: Model, cluster: ModelCluster, member: Member): TopologyChange {
  cluster.members.delete(member.memberId);
  model.homes.delete(member.memberId);
  return { kind: 'memberRemoved', member };
}

/** Calls `change` with the cluster an event is about, if the model has it. */
export function inCluster(
  model: Model,
  event: EventName,
  { serviceName, clusterId }: { readonly serviceName: string; readonly clusterId: string },
  change: (cluster: ModelCluster, service: ModelService) => TopologyChange[],
): TopologyChange[] {
  const service = model.services.get(serviceName);
  if (service === undefined) return dropped(event, 'unknownService', serviceName);
  const cluster = service.clusters.get(clusterId);
  if (cluster === undefined) return dropped(event, 'unknownCluster', clusterId);
  return change(cluster, service);
}

export function dropped(event: EventName, reason: DropReason, id: string | null): TopologyChange[] {
  return [{ kind: 'dropped', event, reason, id }];
}
