import type { Cluster } from '../../../state/messages/cluster.ts';
import { type Member, MemberStatus } from '../../../state/messages/member.ts';
import type { Message } from '../../../state/messages/topics.ts';

// Complete events are tens of megabytes on a large platform: they are counted, not printed.

type Complete = 'CompleteTopologyEvent' | 'ApplicationClustersCreatedEvent' | 'ClusterCreatedEvent';

/** `3 members`, `1 member`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

export function summaryOfTopology({ topology, problems }: Message<'CompleteTopologyEvent'>['body']) {
  const services = [...topology.serviceMap.values()];
  const clusters = services.flatMap((service) => [...service.clusters.values()]);
  const statuses = clusters.flatMap(membersOf).map(({ status }) => status);
  const found = MemberStatus.options.map(
    (status) => [status, statuses.filter((each) => each === status).length] as const,
  );
  const membersByStatus = Object.fromEntries(found.filter(([, count]) => count > 0));
  const counts = { serviceCount: services.length, clusterCount: clusters.length, memberCount: statuses.length };
  return { ...counts, membersByStatus, leftOut: problems };
}

export function summaryOfSignUps(body: Message<'CompleteApplicationSignUpsEvent'>['body']) {
  const { applicationSignUps: signUps, problems } = body;
  return {
    signUpCount: signUps.length,
    applicationCount: new Set(signUps.map(({ applicationId }) => applicationId)).size,
    tenantCount: new Set(signUps.map(({ tenantId }) => tenantId)).size,
    domainMappingCount: signUps.reduce((sum, { domainMappings }) => sum + domainMappings.length, 0),
    leftOut: problems,
  };
}

/** The body as it is printed as JSON: itself, or its summary if it can be large. */
export function summaryOf(message: Message): object {
  switch (message.event) {
    case 'CompleteTopologyEvent':
      return summaryOfTopology(message.body);
    case 'CompleteApplicationSignUpsEvent':
      return summaryOfSignUps(message.body);
    case 'CompleteTenantEvent':
      return { tenantCount: message.body.tenants.length, leftOut: message.body.problems };
    case 'ApplicationClustersCreatedEvent':
      return { clusters: message.body.clusterList.map(summaryOfCluster), leftOut: message.body.problems };
    case 'ClusterCreatedEvent':
      return { clusters: [summaryOfCluster(message.body.cluster)], leftOut: message.body.problems };
    default:
      return message.body;
  }
}

/** What a large event left out because it could not be read. */
export function leftOutOf({ body }: Message): readonly string[] {
  return 'problems' in body ? body.problems : [];
}

/** The members an event brings with it, beside the one it may be about. */
export function membersIn(message: Message): readonly Member[] {
  return isComplete(message) ? clustersIn(message).flatMap(membersOf) : [];
}

function isComplete(message: Message): message is Message<Complete> {
  return ['CompleteTopologyEvent', 'ApplicationClustersCreatedEvent', 'ClusterCreatedEvent'].includes(message.event);
}

function clustersIn({ event, body }: Message<Complete>): readonly Cluster[] {
  if (event === 'ClusterCreatedEvent') return [body.cluster];
  if (event === 'ApplicationClustersCreatedEvent') return body.clusterList;
  return [...body.topology.serviceMap.values()].flatMap(({ clusters }) => [...clusters.values()]);
}

function membersOf({ members }: Cluster): Member[] {
  return [...members.values()];
}

function summaryOfCluster(cluster: Cluster) {
  const { serviceName, clusterId, appId, hostNames, members } = cluster;
  return { serviceName, clusterId, appId: appId ?? null, hostNames, memberCount: members.size };
}
