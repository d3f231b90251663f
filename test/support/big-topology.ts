/** What a generated complete topology should contain. */
export type BigTopologyOptions = {
  /** How many members besides the own one. */
  readonly members: number;
  /** Cluster of the own member; default that of the samples. */
  readonly clusterId?: string;
  /** The own member; left out: there is none. */
  readonly memberId?: string;
  /** Its status; default `Initialized`. */
  readonly status?: Status;
  /** How many members share a cluster; default 100. */
  readonly membersPerCluster?: number;
};

type Status = (typeof life)[number];

const life = ['Created', 'Initialized', 'Starting', 'Active', 'In_Maintenance', 'ReadyToShutDown'] as const;
const ownCluster = 'shop-app.web.php.domain';

/**
 * The text of a CompleteTopologyEvent of a whole installation, shaped like the samples, about 550 bytes a member: one
 * service, clusters of a hundred, the own cluster with the own member in the middle. The same options give the same text.
 */
export function bigTopology(options: BigTopologyOptions): string {
  const { members, clusterId = ownCluster, membersPerCluster = 100 } = options;
  const clusters: string[] = [];
  for (let from = 0; from < members; from += membersPerCluster) {
    const size = Math.min(membersPerCluster, members - from);
    clusters.push(cluster(`a${clusters.length}.php.domain`, foreignMembers(from, size)));
  }
  const own = options.memberId === undefined ? [] : [[options.memberId, options.status ?? 'Initialized'] as const];
  clusters.splice(clusters.length / 2, 0, cluster(clusterId, own));
  const service = `"php":{"serviceName":"php","serviceType":"SingleTenant","clusterIdClusterMap":{${clusters.join(',')}},"portMap":{},"properties":{}}`;
  return `{"topology":{"clusterMap":{},"serviceMap":{${service}}}}`;
}

type MemberSeed = readonly [memberId: string | number, status: Status];

function foreignMembers(from: number, size: number): MemberSeed[] {
  return Array.from({ length: size }, (_, index) => [from + index, index % 10 === 0 ? 'Created' : 'Active']);
}

function cluster(clusterId: string, members: readonly MemberSeed[]): string {
  const head = JSON.stringify({
    serviceName: 'php',
    clusterId,
    autoscalePolicyName: 'autoscaling-policy-1',
    deploymentPolicyName: 'deployment-policy-1',
    hostNames: [`${clusterId}.example.com`],
    tenantRange: '*',
    isLbCluster: false,
    isKubernetesCluster: false,
    appId: clusterId.split('.')[0],
    properties: {},
    instanceIdToInstanceContextMap: {},
    accessUrls: {},
    kubernetesServices: [],
    loadBalancerIps: [],
  }).slice(1);
  const memberMap = members.map((seed) => member(clusterId, seed)).join(',');
  return `${JSON.stringify(clusterId)}:{"memberMap":{${memberMap}},${head}`;
}

function member(clusterId: string, [seed, status]: MemberSeed): string {
  const memberId = typeof seed === 'string' ? seed : `${clusterId}${uuid(seed)}`;
  const number = typeof seed === 'string' ? 1 : seed;
  const ip = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  return `${JSON.stringify(memberId)}:${JSON.stringify({
    serviceName: 'php',
    clusterId,
    memberId,
    clusterInstanceId: `${clusterId.split('.')[0]}-1`,
    networkPartitionId: 'network-1',
    partitionId: `zone-${(number % 2) + 1}`,
    ...(status === 'Created' ? {} : started(number, ip)),
    portMap: status === 'Active' ? { 8280: { protocol: 'http', value: 80, proxy: 8280 } } : {},
    properties: number % 100 === 0 ? { MIN_COUNT: '2' } : {},
    memberStateManager: { stateStack: life.slice(0, life.indexOf(status) + 1), identifier: memberId },
    loadBalancingIPType: 'Private',
  })}`;
}

function started(number: number, ip: string): object {
  return {
    instanceId: `i-${uuid(number + 7).slice(0, 8)}`,
    initTime: 1_486_000_000_000 + number,
    memberPrivateIPs: [ip],
    defaultPrivateIP: ip,
  };
}

/** Unique and reproducible; not quite a UUID. */
function uuid(number: number): string {
  const hex = Math.imul(number + 1, 0x9e3779b1) >>> 0;
  return `${hex.toString(16).padStart(8, '0')}-${number.toString(16).padStart(12, '0')}`;
}
