import type { MemberStatus } from '../../state/messages/member.ts';
import {
  type Cluster,
  type Installation,
  type Member,
  type MemberSeed,
  machineOf,
  portsOf,
  type Repository,
  type Service,
} from './installation.ts';

/** The instance everything revolves around: what the platform puts into its launch-params. */
export const shop = {
  applicationId: 'shop-app',
  serviceName: 'php',
  alias: 'web',
  clusterId: 'shop-app.web.php.domain',
  clusterInstanceId: 'shop-app-1',
  dependencyClusterId: 'shop-app.db.mysql.domain',
  networkPartitionId: 'network-partition-1',
  partitionId: 'partition-1',
  memberId: 'shop-app.web.php.domain1c2f6d0e-8a4b-4f5c-9f1a-0d3b6e7a9c21',
  tenantId: 1,
  cartridgeKey: 'Xk7pQ2mZ9aLr4TwB',
} as const;

const services: readonly Service[] = [
  service('php', 'SingleTenant', { 8243: ['https', 443], 8280: ['http', 80] }),
  service('mysql', 'SingleTenant', { 3306: ['tcp', 3306] }),
  service('tomcat-mt', 'MultiTenant', { 8281: ['http', 8080] }),
];

const clusters: readonly Cluster[] = [
  { ...cluster('shop-app', 'web', 'php'), tenantRange: '*' },
  { ...cluster('shop-app', 'db', 'mysql'), tenantRange: '*' },
  { ...cluster('blog-app', 'www', 'php'), tenantRange: '*' },
  { ...cluster('portal-app', 'apps', 'tomcat-mt'), tenantRange: '1-100' },
];

/** The other members: of the own cluster, of the one it depends on, of applications that are none of its business. */
export const neighbours: readonly MemberSeed[] = [
  seed('shop-app.web.php.domain', '5b0f9f5e-2d1c-4a53-9f0e-6a1f3f1f7a01', 'Active'),
  {
    ...seed('shop-app.web.php.domain', '9d7e4c3b-7f21-4c0a-8a9b-52e1c0de0003', 'In_Maintenance'),
    partitionId: 'partition-2',
  },
  seed('shop-app.db.mysql.domain', '3c9a1f70-55b2-4e0d-8d56-7e0c1b2ad801', 'Active'),
  seed('blog-app.www.php.domain', 'e4a1b2c3-d4e5-4f60-8171-92a3b4c5d604', 'Starting'),
  seed('portal-app.apps.tomcat-mt.domain', '7a6b5c4d-3e2f-4011-9223-3445566778a5', 'Created'),
];

/** Our own member, as far as the platform has brought it. */
export function ownMember(status: MemberStatus, memberId: string = shop.memberId): MemberSeed {
  return { memberId, clusterId: shop.clusterId, status };
}

/**
 * The platform at the beginning.
 *
 * @param options - `members`: in the order they were created; `repositories`: what tenants have signed up with
 */
export function createInstallation(options: {
  readonly members: readonly MemberSeed[];
  readonly repositories: readonly Repository[];
  readonly cartridgeKey?: string;
}): Installation {
  const empty: Installation = {
    services,
    clusters,
    members: new Map(),
    tenants: [
      { tenantId: 1, tenantDomain: 'acme.example.com' },
      { tenantId: 2, tenantDomain: 'globex.example.com' },
      { tenantId: 3, tenantDomain: 'initech.example.com' },
    ],
    repositories: options.repositories,
    cartridgeKey: options.cartridgeKey ?? shop.cartridgeKey,
  };
  const members = options.members.map((one, index) => memberFrom(empty, one, index));
  return { ...empty, members: new Map(members.map((member) => [member.memberId, member])) };
}

/**
 * @param number - how many members there were before it: gives it its addresses
 * @throws RangeError when the installation has no such cluster
 */
export function memberFrom(installation: Installation, from: MemberSeed, number: number): Member {
  const cluster = installation.clusters.find(({ clusterId }) => clusterId === from.clusterId);
  if (cluster === undefined) throw new RangeError(`the simulated platform has no cluster ${from.clusterId}`);
  const { serviceName, clusterId, appId } = cluster;
  const stateStack = wayTo(from.status);
  const { instanceId, ...addresses } = machineOf(from.memberId, 11 + (number % 200));
  const hasMachine = stateStack.length > 1;
  return {
    serviceName,
    clusterId,
    memberId: from.memberId,
    clusterInstanceId: `${appId}-1`,
    networkPartitionId: shop.networkPartitionId,
    partitionId: from.partitionId ?? shop.partitionId,
    ...(hasMachine ? { instanceId } : {}),
    initTime: from.initTime ?? 1_486_000_000_000 + number * 1_000,
    portMap: stateStack.includes('Active') ? portsOf(installation, serviceName) : {},
    ...(hasMachine ? addresses : {}),
    properties: { MIN_COUNT: '2', SCALING_DECISION_ID: `${clusterId}-0f8fad5b-d9cb-469f-a165-70867728950e` },
    memberStateManager: { stateStack, identifier: from.memberId },
    loadBalancingIPType: 'Private',
  };
}

const life = [
  'Created',
  'Initialized',
  'Starting',
  'Active',
  'In_Maintenance',
  'ReadyToShutDown',
  'Terminated',
] as const;

function wayTo(status: MemberStatus): readonly MemberStatus[] {
  return status === 'Suspended' ? [...wayTo('Active'), 'Suspended'] : life.slice(0, life.indexOf(status) + 1);
}

function service(
  serviceName: string,
  serviceType: Service['serviceType'],
  ports: Readonly<Record<number, readonly [protocol: string, value: number]>>,
): Service {
  const entries = Object.entries(ports).map(([proxy, [protocol, value]]) => [
    proxy,
    { protocol, value, proxy: Number(proxy) },
  ]);
  return { serviceName, serviceType, portMap: Object.fromEntries(entries), properties: {} };
}

function cluster(appId: string, alias: string, serviceName: string) {
  return { serviceName, clusterId: `${appId}.${alias}.${serviceName}.domain`, appId, alias };
}

function seed(clusterId: string, uuid: string, status: MemberStatus): MemberSeed {
  return { memberId: `${clusterId}${uuid}`, clusterId, status };
}
