import type { HookName } from './hooks.ts';
import type { HookInput, HookInstance } from './input-types.ts';

// What authors try their hooks with: one life of a small shop, as a platform would tell it.

export const sampleInstance: HookInstance = {
  applicationId: 'shop-app',
  serviceName: 'php',
  clusterId: 'shop-app.web.php.domain',
  memberId: 'shop-app.web.php.domain9c21',
  clusterInstanceId: 'shop-app-1',
  networkPartitionId: 'network-partition-1',
  partitionId: 'partition-1',
  tenantId: 1,
};

const { applicationId, serviceName, clusterId } = sampleInstance;

const update: HookInput<'artifactUpdated'> = {
  tenantId: '1',
  path: '/var/www/html',
  repoUrl: 'https://git.example.com/shop/web.git',
  oldCommit: '3c9f1e0a5b7d2c4e6f8091a2b3c4d5e6f7081920',
  newCommit: '9d2e7b10c4a35f6889b0c1d2e3f405162738495a',
  branch: null,
  authorDate: '2026-11-21T09:30:00Z',
  subject: 'Show the price with taxes',
  fingerprint: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
  signedBy: null,
  changedPaths: ['index.php', 'lib/price.php'],
  trigger: 'event',
  durationMs: 412,
  event: { clusterId, repoUserName: 'shop', repoPassword: '[redacted]', status: '1' },
};

const member: HookInput<'memberActivated'>['member'] = {
  serviceName,
  clusterId,
  memberId: 'shop-app.web.php.domain4f07',
  clusterInstanceId: 'shop-app-1',
  networkPartitionId: 'network-partition-1',
  partitionId: 'partition-1',
  initTime: 1_486_000_000_000,
  publicIPs: ['203.0.113.7'],
  defaultPublicIP: '203.0.113.7',
  privateIPs: ['10.0.0.7'],
  defaultPrivateIP: '10.0.0.7',
  properties: { PRIMARY: 'true' },
  ports: [{ protocol: 'http', value: 80, proxy: 8280 }],
  status: 'Initialized',
  stateStack: ['Created', 'Initialized'],
};

/** As the platform spells it: a small part of what it sends. */
const members = {
  [member.memberId]: {
    ...{ serviceName, clusterId, memberId: member.memberId, clusterInstanceId: 'shop-app-1' },
    ...{ memberPrivateIPs: ['10.0.0.7'], defaultPrivateIP: '10.0.0.7', properties: { PRIMARY: 'true' } },
    portMap: { 8280: { protocol: 'http', value: 80, proxy: 8280 } },
    memberStateManager: { stateStack: ['Created', 'Initialized', 'Starting', 'Active'], identifier: member.memberId },
  },
};
const cluster = { serviceName, clusterId, memberMap: members, properties: {}, appId: applicationId };
const service = { serviceName, serviceType: 'SingleTenant', clusterIdClusterMap: { [clusterId]: cluster } };
const topology = { serviceMap: { [serviceName]: { ...service, portMap: {}, properties: {} } } };

const mapping: HookInput<'domainMappingRemoved'> = {
  applicationId,
  serviceName,
  clusterId,
  domainName: 'shop.example.com',
  tenantId: 1,
  tenantDomain: 'example.com',
};

export const sampleInputs: { readonly [Name in HookName]: HookInput<Name> } = {
  lvsInterface: { virtualIp: '10.0.0.20|255.255.255.0' },
  volumeMount: { persistenceMapping: '/dev/vdb|volume-1|/var/data' },
  instanceStarting: {},
  startServers: {},
  artifactUpdating: update,
  artifactUpdated: update,
  instanceActivating: {},
  instanceActivated: {},
  drain: {},
  clean: {},
  completeTopology: { topology, members },
  completeTenant: { tenants: [{ tenantId: 1, tenantDomain: 'example.com' }] },
  memberInitialized: memberIs('Initialized'),
  memberStarted: memberIs('Starting'),
  memberActivated: memberIs('Active'),
  memberMaintenance: memberIs('In_Maintenance'),
  memberSuspended: memberIs('Suspended'),
  memberTerminated: memberIs('Terminated'),
  tenantSubscribed: { tenantId: 1, serviceName, clusterIds: [clusterId] },
  domainMappingAdded: { ...mapping, contextPath: '/shop' },
  domainMappingRemoved: mapping,
  applicationSignUpRemoved: { applicationId, tenantId: 1 },
  artifactDrifted: { tenantId: '1', path: '/var/www/html', changedPaths: ['index.php'] },
};

function memberIs(status: HookInput<'memberActivated'>['member']['status']): HookInput<'memberActivated'> {
  const { memberId } = member;
  return { memberId, clusterId, status, member: { ...member, status, stateStack: ['Created', status] } };
}
