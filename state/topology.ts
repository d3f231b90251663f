import type { Cluster, Service } from './messages/cluster.ts';
import type { Member, MemberStatus } from './messages/member.ts';
import { type EventIn, type EventName, isIn, type Message } from './messages/topics.ts';
import {
  activateInstance,
  addClusters,
  addInstance,
  addService,
  markInstance,
  removeClusters,
  removeInstance,
  removeService,
} from './topology/apply-cluster.ts';
import { applyComplete } from './topology/apply-complete.ts';
import { applyMember } from './topology/apply-member.ts';
import { dropped, emptyModel, type Model } from './topology/model.ts';
import type { TopologyChange } from './topology/topology-change.ts';

/**
 * Services, clusters and members of the whole installation, as last told by the platform. It belongs to one owner, who
 * alone calls {@link apply}: its maps change in place, because thousands of events a second may come and there may be a
 * hundred thousand members. Members and cluster instances never change; each event that concerns one puts a new value
 * in its place, so whoever was given one keeps it as it was.
 */
export type Topology = {
  /** Whether a complete topology has come yet; before, everything else is dropped. */
  readonly isComplete: boolean;
  /** By name. */
  readonly services: ReadonlyMap<string, Service>;
  /** By id, of all services. */
  readonly clusters: ReadonlyMap<string, Cluster>;
};

/** Nothing is known. */
export function createTopology(): Topology {
  return emptyModel();
}

/**
 * Brings the topology up to date with one message. Applying a message again changes nothing; messages of other topics
 * are ignored.
 *
 * @returns what is different now, in the order in which to act on it
 * @see protocol.md 5
 */
export function apply(topology: Topology, message: Message): TopologyChange[] {
  const model = topology as Model; // createTopology is the only maker
  if (!isIn('topology', message)) return [];
  if (message.event === 'CompleteTopologyEvent') return [...applyComplete(model, message), ...unreadableIn(message)];
  if (!model.isComplete) return dropped(message.event, 'notComplete', null);
  const changes = applyIncrement(model, message);
  model.isChanged ||= changes.some(({ kind }) => kind !== 'dropped' && kind !== 'unreadable');
  return changes;
}

/** The member, whichever cluster it is in. */
export function findMember(topology: Topology, memberId: string): Member | undefined {
  return (topology as Model).homes.get(memberId)?.members.get(memberId);
}

/** The cluster, whichever service it belongs to. */
export function findCluster(topology: Topology, clusterId: string): Cluster | undefined {
  return topology.clusters.get(clusterId);
}

/** What the platform last told about a member: `unknown` before the first complete topology, `absent` if not listed. */
export function memberStatus(topology: Topology, memberId: string): MemberStatus | 'absent' | 'unknown' {
  if (!topology.isComplete) return 'unknown';
  return findMember(topology, memberId)?.status ?? 'absent';
}

type Increment = Exclude<Message<EventIn<'topology'>>, Message<'CompleteTopologyEvent'>>;

function applyIncrement(model: Model, message: Increment): TopologyChange[] {
  switch (message.event) {
    case 'ServiceCreatedEvent':
      return addService(model, message);
    case 'ServiceRemovedEvent':
      return removeService(model, message);
    case 'ApplicationClustersCreatedEvent':
      return [...addClusters(model, message.event, message.body.clusterList), ...unreadableIn(message)];
    case 'ApplicationClustersRemovedEvent':
      return removeClusters(model, message.body.clusterData.map(clusterOfHolder));
    case 'ClusterCreatedEvent':
      return [...addClusters(model, message.event, [message.body.cluster]), ...unreadableIn(message)];
    case 'ClusterRemovedEvent':
      return removeClusters(model, [message.body]);
    case 'ClusterInstanceCreatedEvent':
      return addInstance(model, message);
    case 'ClusterInstanceActivatedEvent':
      return activateInstance(model, message);
    case 'ClusterInstanceInactivateEvent':
      return markInstance(model, message, 'Inactive');
    case 'ClusterInstanceTerminatingEvent':
      return markInstance(model, message, 'Terminating');
    case 'ClusterResetEvent':
      return markInstance(model, message, 'Created');
    case 'ClusterInstanceTerminatedEvent':
      return removeInstance(model, message);
    default:
      return applyMember(model, message);
  }
}

/** The platform calls the name of the service `serviceType` here. */
function clusterOfHolder({ serviceType, clusterId }: { readonly serviceType: string; readonly clusterId: string }) {
  return { serviceName: serviceType, clusterId };
}

type WithProblems = { readonly event: EventName; readonly body: { readonly problems: readonly string[] } };

function unreadableIn({ event, body: { problems } }: WithProblems): TopologyChange[] {
  return problems.length === 0 ? [] : [{ kind: 'unreadable', event, problems }];
}
