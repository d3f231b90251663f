import type { MemberStatus } from '../../state/messages/member.ts';

// What the simulated platform knows, in the shapes and the order of keys that Gson writes: see protocol.md section 3.

type PortMap = Readonly<Record<string, { readonly protocol: string; readonly value: number; readonly proxy: number }>>;
type Properties = Readonly<Record<string, string>>;

export type Service = {
  readonly serviceName: string;
  readonly serviceType: 'SingleTenant' | 'MultiTenant';
  readonly portMap: PortMap;
  readonly properties: Properties;
};

/** The ids of a cluster of one cluster instance; all else about it follows from them. */
export type Cluster = {
  readonly serviceName: string;
  readonly clusterId: string;
  readonly appId: string;
  readonly alias: string;
  readonly tenantRange: string;
};

/** The current status is the last one of the stack; there is no other field for it. */
export type Member = {
  readonly serviceName: string;
  readonly clusterId: string;
  readonly memberId: string;
  readonly clusterInstanceId: string;
  readonly networkPartitionId: string;
  readonly partitionId: string;
  readonly instanceId?: string;
  /** Epoch milliseconds. */
  readonly initTime: number;
  readonly portMap: PortMap;
  readonly memberPublicIPs?: readonly string[];
  readonly defaultPublicIP?: string;
  readonly memberPrivateIPs?: readonly string[];
  readonly defaultPrivateIP?: string;
  readonly properties: Properties;
  readonly memberStateManager: { readonly stateStack: readonly MemberStatus[]; readonly identifier: string };
  readonly loadBalancingIPType: 'Private' | 'Public';
};

/** A repository a tenant has signed up with; the password is clear here and encrypted on the wire. */
export type Repository = {
  readonly clusterId: string;
  readonly tenantId: number;
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
};

/** The whole platform at one moment. Never changed in place. */
export type Installation = {
  readonly services: readonly Service[];
  readonly clusters: readonly Cluster[];
  readonly members: ReadonlyMap<string, Member>;
  readonly tenants: readonly { readonly tenantId: number; readonly tenantDomain: string }[];
  readonly repositories: readonly Repository[];
  /** What repository passwords are encrypted with: 16, 24 or 32 ASCII characters. */
  readonly cartridgeKey: string;
};

/** What to make a member from. */
export type MemberSeed = {
  readonly memberId: string;
  readonly clusterId: string;
  readonly status: MemberStatus;
  readonly partitionId?: string;
  /** Epoch milliseconds. */
  readonly initTime?: number;
};

/** Returns the installation with one member more, or instead of the one with this id. */
export function withMember(installation: Installation, member: Member): Installation {
  return { ...installation, members: new Map(installation.members).set(member.memberId, member) };
}

export function withoutMember(installation: Installation, memberId: string): Installation {
  const members = new Map(installation.members);
  members.delete(memberId);
  return { ...installation, members };
}

export function statusOf(member: Member): MemberStatus {
  return member.memberStateManager.stateStack.at(-1) ?? 'Created';
}

/** Returns the member with `status` on its stack; the same status again is not pushed. */
export function withStatus(member: Member, status: MemberStatus): Member {
  if (statusOf(member) === status) return member;
  const { stateStack, identifier } = member.memberStateManager;
  return { ...member, memberStateManager: { stateStack: [...stateStack, status], identifier } };
}

/** The ports a service offers, by the port of the load balancer. */
export function portsOf(installation: Installation, serviceName: string): Service['portMap'] {
  return installation.services.find((service) => service.serviceName === serviceName)?.portMap ?? {};
}

/** What the IaaS says of a machine once it runs. The addresses are those reserved for documentation. */
export function machineOf(memberId: string, number: number) {
  const [publicIP, privateIP] = [`192.0.2.${number}`, `10.0.0.${number}`];
  return {
    instanceId: `RegionOne/${memberId.slice(-36)}`,
    memberPublicIPs: [publicIP],
    defaultPublicIP: publicIP,
    memberPrivateIPs: [privateIP],
    defaultPrivateIP: privateIP,
  };
}

/** The `topology` of a complete topology event. */
export function topologyOf({ services, clusters, members }: Installation): object {
  const serviceMap = services.map(({ serviceName, serviceType, portMap, properties }) => {
    const own = clusters.filter((cluster) => cluster.serviceName === serviceName);
    const clusterIdClusterMap = Object.fromEntries(
      own.map((cluster) => [cluster.clusterId, clusterOf(cluster, members)]),
    );
    return [serviceName, { serviceName, serviceType, clusterIdClusterMap, portMap, properties }];
  });
  return { clusterMap: {}, serviceMap: Object.fromEntries(serviceMap) };
}

function clusterOf(cluster: Cluster, members: Installation['members']): object {
  const { serviceName, clusterId, appId, alias, tenantRange } = cluster;
  const own = [...members].filter(([, member]) => member.clusterId === clusterId);
  const isActive = own.some(([, member]) => statusOf(member) === 'Active');
  const instanceId = `${appId}-1`;
  const hostName = `${appId}.${alias}.${serviceName}.example.com`;
  const instance = {
    alias,
    instanceId,
    instanceProperties: {},
    lifeCycleStateManager: {
      stateStack: isActive ? ['Created', 'Active'] : ['Created'],
      identifier: `${clusterId}_${instanceId}`,
    },
    networkPartitionId: 'network-partition-1',
    partitionId: 'partition-1',
  };
  return {
    serviceName,
    clusterId,
    autoscalePolicyName: 'autoscaling-policy-1',
    deploymentPolicyName: 'deployment-policy-1',
    hostNames: [hostName],
    tenantRange,
    isLbCluster: false,
    isKubernetesCluster: false,
    memberMap: Object.fromEntries(own),
    appId,
    properties: {},
    instanceIdToInstanceContextMap: { [instanceId]: instance },
    accessUrls: isActive ? { [instanceId]: [`http://${hostName}:80`] } : {},
    kubernetesServices: [],
    loadBalancerIps: isActive ? ['192.0.2.10'] : [],
  };
}
