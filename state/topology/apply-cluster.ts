import type { Cluster, ClusterInstance, ClusterStatus } from '../messages/cluster.ts';
import type { EventName, Message } from '../messages/topics.ts';
import { addCluster, dropped, inCluster, type Model, type ModelCluster, removeCluster } from './model.ts';
import type { TopologyChange } from './topology-change.ts';

/** Ports come with the event, properties only with the complete topology. @see protocol.md 5.2 */
export function addService(model: Model, { body }: Message<'ServiceCreatedEvent'>): TopologyChange[] {
  const { serviceName, serviceType, properties, portMap } = body;
  if (model.services.has(serviceName)) return [];
  model.services.set(serviceName, { serviceName, serviceType, properties, ports: portMap, clusters: new Map() });
  return [{ kind: 'serviceAdded', serviceName }];
}

export function removeService(model: Model, { body }: Message<'ServiceRemovedEvent'>): TopologyChange[] {
  const { serviceName } = body;
  const service = model.services.get(serviceName);
  if (service === undefined) return [];
  const clusters = [...service.clusters.values()].flatMap((cluster) => removeCluster(model, service, cluster));
  model.services.delete(serviceName);
  return [...clusters, { kind: 'serviceRemoved', serviceName }];
}

/** A cluster of an unknown service is left out, the others count; a known cluster stays as it is. */
export function addClusters(model: Model, event: EventName, clusters: readonly Cluster[]): TopologyChange[] {
  return clusters.flatMap((cluster) => {
    const { serviceName, clusterId } = cluster;
    const service = model.services.get(serviceName);
    if (service === undefined) return dropped(event, 'unknownService', serviceName);
    const added = addCluster(model, service, cluster);
    if (added === undefined) return [];
    const members = [...added.members.values()].map((member) => ({ kind: 'member', member, previous: null }) as const);
    return [{ kind: 'clusterAdded', serviceName, clusterId } as const, ...members];
  });
}

/** What is not there needs no removal. */
export function removeClusters(
  model: Model,
  clusters: readonly { readonly serviceName: string; readonly clusterId: string }[],
): TopologyChange[] {
  return clusters.flatMap(({ serviceName, clusterId }) => {
    const service = model.services.get(serviceName);
    const cluster = service?.clusters.get(clusterId);
    return service && cluster ? removeCluster(model, service, cluster) : [];
  });
}

export function addInstance(model: Model, { event, body }: Message<'ClusterInstanceCreatedEvent'>): TopologyChange[] {
  return inCluster(model, event, body, (cluster) => {
    if (cluster.instances.has(body.clusterInstance.instanceId)) return [];
    return [putInstance(cluster, body.clusterInstance, null)];
  });
}

export function activateInstance(
  model: Model,
  { event, body }: Message<'ClusterInstanceActivatedEvent'>,
): TopologyChange[] {
  return changeInstance(model, event, body, (cluster, instance) => {
    if (instance.status === 'Active') return [];
    cluster.accessUrls.set(body.instanceId, body.accessUrls);
    if (body.loadBalancerIps.length > 0) cluster.loadBalancerIps = body.loadBalancerIps;
    return [putInstance(cluster, { ...instance, status: 'Active' }, instance.status)];
  });
}

/** Any other status, whatever it was before: the model follows the publisher. */
export function markInstance(
  model: Model,
  { event, body }: Message<'ClusterInstanceInactivateEvent' | 'ClusterInstanceTerminatingEvent' | 'ClusterResetEvent'>,
  status: ClusterStatus,
): TopologyChange[] {
  return changeInstance(model, event, body, (cluster, instance) =>
    instance.status === status ? [] : [putInstance(cluster, { ...instance, status }, instance.status)],
  );
}

/** Gone already is as good. */
export function removeInstance(
  model: Model,
  { event, body }: Message<'ClusterInstanceTerminatedEvent'>,
): TopologyChange[] {
  return inCluster(model, event, body, (cluster) => {
    const { clusterId, instanceId } = body;
    const previous = cluster.instances.get(instanceId)?.status;
    if (previous === undefined) return [];
    cluster.instances.delete(instanceId);
    cluster.accessUrls.delete(instanceId);
    return [{ kind: 'clusterInstance', clusterId, instanceId, status: null, previous }];
  });
}

type InstanceIds = { readonly serviceName: string; readonly clusterId: string; readonly instanceId: string };

function changeInstance(
  model: Model,
  event: EventName,
  ids: InstanceIds,
  change: (cluster: ModelCluster, instance: ClusterInstance) => TopologyChange[],
): TopologyChange[] {
  return inCluster(model, event, ids, (cluster) => {
    const instance = cluster.instances.get(ids.instanceId);
    return instance ? change(cluster, instance) : dropped(event, 'unknownInstance', ids.instanceId);
  });
}

function putInstance(
  { clusterId, instances }: ModelCluster,
  instance: ClusterInstance,
  previous: ClusterStatus | null,
): TopologyChange {
  const { instanceId, status } = instance;
  instances.set(instanceId, instance);
  return { kind: 'clusterInstance', clusterId, instanceId, status, previous };
}
