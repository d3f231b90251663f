import type { z } from 'zod';
import { type Cluster, ClusterHead, ClusterInstance, type Service, ServiceHead } from './cluster.ts';
import { type Member, MemberMisfit, MemberReader } from './member.ts';
import { problemOf } from './message-error.ts';
import { JsonReader } from './raw-json.ts';
import { misfit, Problems, readValue } from './read-json.ts';

/**
 * Everything the cloud controller knows. With a hundred thousand members it is 60 MB: it is walked through once, and
 * turned into the model's own members one by one, so that neither its text nor a raw copy is ever held. Services,
 * clusters and members that cannot be read are left out and named among the problems.
 *
 * @see protocol.md 4.2, 5.1
 */
export type CompleteTopologyEvent = {
  readonly topology: { readonly serviceMap: ReadonlyMap<string, Service> };
  readonly problems: readonly string[];
};

/** Clusters of an application that was deployed. */
export type ApplicationClustersCreatedEvent = {
  readonly clusterList: readonly Cluster[];
  readonly problems: readonly string[];
};

/** One cluster. No server sends it; accepted all the same. */
export type ClusterCreatedEvent = { readonly cluster: Cluster; readonly problems: readonly string[] };

/** @throws JsonSyntaxError, or ZodError without `topology.serviceMap`: an empty one is a topology, none is not */
export function readCompleteTopologyEvent(payload: Uint8Array): CompleteTopologyEvent {
  const walk = startWalk(payload);
  const found: { serviceMap?: ReadonlyMap<string, Service> | undefined } = {};
  eachField(walk, {
    topology: () => {
      found.serviceMap = undefined; // a repeated key replaces the earlier one, as everywhere
      eachField(walk, {
        serviceMap: () => {
          found.serviceMap = readServices(walk);
        },
      });
    },
  });
  walk.reader.end();
  if (found.serviceMap === undefined) throw misfit(['topology', 'serviceMap'], 'expected an object');
  return { topology: { serviceMap: found.serviceMap }, problems: walk.problems.list };
}

/** @throws JsonSyntaxError, or ZodError without `clusterList` */
export function readApplicationClustersCreatedEvent(payload: Uint8Array): ApplicationClustersCreatedEvent {
  const walk = startWalk(payload);
  const found: { clusterList?: readonly Cluster[] | undefined } = {};
  eachField(walk, {
    clusterList: () => {
      found.clusterList = readClusterList(walk);
    },
  });
  walk.reader.end();
  if (found.clusterList === undefined) throw misfit(['clusterList'], 'expected an array');
  return { clusterList: found.clusterList, problems: walk.problems.list };
}

/** @throws JsonSyntaxError, or ZodError without a readable `cluster` */
export function readClusterCreatedEvent(payload: Uint8Array): ClusterCreatedEvent {
  const walk = startWalk(payload);
  const found: { cluster?: Cluster | undefined } = {};
  eachField(walk, {
    cluster: () => {
      found.cluster = readCluster(walk);
    },
  });
  walk.reader.end();
  if (found.cluster === undefined) throw misfit(['cluster'], walk.problems.list[0] ?? 'expected an object');
  return { cluster: found.cluster, problems: walk.problems.list };
}

type Walk = { readonly reader: JsonReader; readonly problems: Problems; readonly memberReader: MemberReader };

function startWalk(payload: Uint8Array): Walk {
  return { reader: new JsonReader(payload), problems: new Problems(), memberReader: new MemberReader() };
}

/** Undefined if it is no object. */
function readServices(walk: Walk): Map<string, Service> | undefined {
  const services = new Map<string, Service>();
  const isObject = walk.reader.valuesOfObject(() => {
    const service = readService(walk);
    if (service !== undefined) services.set(service.serviceName, service);
  });
  return isObject ? services : undefined;
}

function readService(walk: Walk): Service | undefined {
  const clusters = new Map<string, Cluster>();
  const head = readHead(walk, ServiceHead, {
    clusterIdClusterMap: () =>
      walk.reader.valuesOfObject(() => {
        const cluster = readCluster(walk);
        if (cluster !== undefined) clusters.set(cluster.clusterId, cluster);
      }),
  });
  if (head === undefined) return undefined;
  const { portMap, ...service } = head;
  return { ...service, ports: portMap, clusters };
}

function readClusterList(walk: Walk): Cluster[] | undefined {
  const clusters: Cluster[] = [];
  const isArray = walk.reader.array(() => {
    const cluster = readCluster(walk);
    if (cluster !== undefined) clusters.push(cluster);
  });
  return isArray ? clusters : undefined;
}

function readCluster(walk: Walk): Cluster | undefined {
  const { reader, problems } = walk;
  const members = new Map<string, Member>();
  const instances = new Map<string, ClusterInstance>();
  const takeInstance = (instance: ClusterInstance) => instances.set(instance.instanceId, instance);
  const head = readHead(walk, ClusterHead, {
    memberMap: () => reader.valuesOfObject(() => readMember(walk, members)),
    instanceIdToInstanceContextMap: () =>
      reader.valuesOfObject(() => readValue(reader, ClusterInstance, problems, takeInstance)),
  });
  return head && { ...head, members, instances };
}

function readMember({ reader, problems, memberReader }: Walk, members: Map<string, Member>): void {
  const slice = reader.skip();
  try {
    const member = memberReader.read(reader.parse(slice));
    members.set(member.memberId, member);
  } catch (thrown) {
    if (!(thrown instanceof MemberMisfit)) throw thrown;
    problems.add(`member at byte ${slice.start}: ${thrown.message}`);
  }
}

/**
 * Reads an object that is too large to be parsed at once: the schema's own fields as values, those in `large` by the
 * given functions, the others not at all. Undefined, and reported, if it does not fit.
 */
function readHead<T extends z.ZodObject>(walk: Walk, schema: T, large: Visits): z.output<T> | undefined {
  const { reader, problems } = walk;
  const start = reader.position;
  const fields: Record<string, unknown> = Object.create(null);
  const small = Object.keys(schema.shape).map((key) => [
    key,
    () => {
      fields[key] = reader.parse(reader.skip());
    },
  ]);
  const isObject = eachField(walk, { ...Object.fromEntries(small), ...large });
  const head = schema.safeParse(isObject ? fields : undefined);
  if (!head.success) problems.add(`at byte ${start}: ${problemOf(head.error)}`);
  return head.data;
}

type Visits = Readonly<Record<string, () => unknown>>;

function eachField({ reader }: Walk, visits: Visits): boolean {
  return reader.object((key) => {
    // Keys come from the wire: `constructor` must not find the one every object has.
    const visit = Object.hasOwn(visits, key) ? visits[key] : undefined;
    if (visit === undefined) reader.skip();
    else visit();
  });
}
