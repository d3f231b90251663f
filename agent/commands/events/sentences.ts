import type { Port } from '../../../state/messages/fields.ts';
import type { EventName, Message } from '../../../state/messages/topics.ts';
import { repositoryUrl, withoutUserInfo } from './harmless.ts';
import { counted, summaryOfSignUps, summaryOfTopology } from './summaries.ts';

type Body<E extends EventName> = Message<E>['body'];
type Place = { readonly clusterId: string; readonly clusterInstanceId?: string | undefined };
type Addresses = { readonly defaultPrivateIP?: string | undefined; readonly defaultPublicIP?: string | undefined };

/** What each event says, in a person's words. The member it is about stands before the sentence. */
const sentences: { readonly [E in EventName]: (body: Body<E>) => string } = {
  CompleteTopologyRequestEvent: () => 'somebody asks for the complete topology',
  CompleteTenantRequestEvent: () => 'somebody asks for all tenants',
  CompleteApplicationSignUpsRequestEvent: () => 'somebody asks for all sign-ups',
  CompleteApplicationsRequestEvent: () => 'somebody asks for all applications',

  CompleteTopologyEvent: (body) => {
    const { serviceCount, clusterCount, memberCount, membersByStatus } = summaryOfTopology(body);
    const statuses = Object.entries(membersByStatus).map(([status, count]) => `${count} ${status}`);
    const members = `${counted(memberCount, 'member')}${statuses.length === 0 ? '' : ` (${statuses.join(', ')})`}`;
    return [counted(serviceCount, 'service'), counted(clusterCount, 'cluster'), members].join(', ');
  },
  ServiceCreatedEvent: ({ serviceName, serviceType, portMap }) =>
    sentence(`service ${serviceName} was added`, serviceType, portsOf(portMap)),
  ServiceRemovedEvent: ({ serviceName }) => `service ${serviceName} was removed`,
  ApplicationClustersCreatedEvent: ({ clusterList }) => {
    const applications = [...new Set(clusterList.flatMap(({ appId }) => appId ?? []))];
    return `application ${listed(applications)} got ${named(clusterList)}`;
  },
  ApplicationClustersRemovedEvent: ({ appId, clusterData }) => `application ${appId ?? '?'} lost ${named(clusterData)}`,
  ClusterCreatedEvent: ({ cluster }) => `cluster ${cluster.clusterId} of service ${cluster.serviceName} was added`,
  ClusterRemovedEvent: ({ clusterId, serviceName }) => `cluster ${clusterId} of service ${serviceName} was removed`,
  ClusterInstanceCreatedEvent: ({ clusterId, clusterInstance: { instanceId, status } }) =>
    clusterInstance({ clusterId, instanceId }, status),
  ClusterInstanceActivatedEvent: (body) => {
    const balancers = body.loadBalancerIps.length === 0 ? undefined : `load balancers ${listed(body.loadBalancerIps)}`;
    return sentence(clusterInstance(body, 'Active'), listed(body.accessUrls.map(withoutUserInfo)), balancers);
  },
  ClusterInstanceInactivateEvent: (body) => `${clusterInstance(body, 'Inactive')}: too few of its members are Active`,
  ClusterInstanceTerminatingEvent: (body) => clusterInstance(body, 'Terminating'),
  ClusterInstanceTerminatedEvent: (body) => clusterInstance(body, 'Terminated'),
  ClusterResetEvent: (body) => `${clusterInstance(body, 'Created')} again`,
  MemberCreatedEvent: (body) => `is Created in ${placeOf(body)}`,
  MemberInitializedEvent: (body) => sentence(`is Initialized in ${placeOf(body)}`, addressesOf(body)),
  MemberStartedEvent: (body) => `is Starting in ${placeOf(body)}`,
  MemberActivatedEvent: (body) => sentence(`is Active in ${placeOf(body)}`, portsOf(body.portMap), addressesOf(body)),
  MemberMaintenanceModeEvent: (body) => `is In_Maintenance in ${placeOf(body)}`,
  MemberReadyToShutdownEvent: (body) => `is ReadyToShutDown in ${placeOf(body)}`,
  MemberSuspendedEvent: (body) => `is Suspended in ${placeOf(body)}`,
  MemberTerminatedEvent: (body) => `is Terminated in ${placeOf(body)}`,

  CompleteTenantEvent: ({ tenants }) => counted(tenants.length, 'tenant'),
  TenantCreatedEvent: ({ tenant }) => `tenant ${tenant.tenantId} was added: ${tenant.tenantDomain}`,
  TenantUpdatedEvent: ({ tenantId, tenantDomain }) => `tenant ${tenantId} is now ${tenantDomain}`,
  TenantRemovedEvent: ({ tenantId }) => `tenant ${tenantId} was removed`,
  TenantSubscribedEvent: ({ tenantId, serviceName, clusterIds }) =>
    sentence(`tenant ${tenantId} subscribed to service ${serviceName}`, listed(clusterIds)),
  TenantUnSubscribedEvent: ({ tenantId, serviceName, clusterIds }) =>
    sentence(`tenant ${tenantId} no longer subscribes to service ${serviceName}`, listed(clusterIds)),

  ArtifactUpdatedEvent: ({ clusterId, tenantId, repoURL }) =>
    `${clusterId} is to fetch ${repositoryUrl(repoURL)} for tenant ${tenantId}`,
  InstanceCleanupMemberEvent: () => 'is to be taken down',
  InstanceCleanupClusterEvent: (body) => `all members in ${placeOf(body)} are to be taken down`,

  InstanceStartedEvent: (body) => `says it has started, in ${placeOf(body)} of application ${body.applicationId}`,
  InstanceActivatedEvent: (body) => `says it is active, in ${placeOf(body)}`,
  InstanceMaintenanceModeEvent: (body) => `says it is going down, in ${placeOf(body)}`,
  InstanceReadyToShutdownEvent: (body) => `says it may be switched off, in ${placeOf(body)}`,

  CompleteApplicationSignUpsEvent: (body) => {
    const { signUpCount, applicationCount, tenantCount, domainMappingCount } = summaryOfSignUps(body);
    const signUps = `${counted(signUpCount, 'sign-up')} of ${counted(applicationCount, 'application')}`;
    return `${signUps} by ${counted(tenantCount, 'tenant')}, ${counted(domainMappingCount, 'domain mapping')}`;
  },
  ApplicationSignUpAddedEvent: ({ tenantId, applicationId, clusterIds }) =>
    sentence(`tenant ${tenantId} signed up to application ${applicationId}`, listed(clusterIds)),
  ApplicationSignUpRemovedEvent: ({ tenantId, applicationId }) =>
    `tenant ${tenantId} no longer uses application ${applicationId}`,

  DomainMappingAddedEvent: ({ domainName, contextPath = '', tenantId, clusterId }) =>
    `${domainName}${contextPath} of tenant ${tenantId} leads to ${clusterId}`,
  DomainMappingRemovedEvent: ({ domainName, tenantId, clusterId }) =>
    `${domainName} of tenant ${tenantId} no longer leads to ${clusterId}`,

  HealthStatisticsEvent: ({ healthDescription, value }) => `${healthDescription} ${Number(value.toFixed(2))} %`,
};

/** Every event there is a sentence for, which is every event there is. */
export const eventNames: readonly string[] = Object.keys(sentences);

export function sentenceOf<E extends EventName>(message: Message<E>): string {
  const say = sentences[message.event] as (body: Body<E>) => string;
  return say(message.body);
}

function sentence(...parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join(', ');
}

function placeOf({ clusterId, clusterInstanceId }: Place): string {
  return clusterInstanceId === undefined ? clusterId : `${clusterId} (${clusterInstanceId})`;
}

function clusterInstance(ids: { clusterId: string; instanceId: string }, status: string): string {
  return `cluster instance ${ids.instanceId} of ${ids.clusterId} is ${status}`;
}

function portsOf(ports: readonly Port[]): string | undefined {
  const numbers = ports.map(({ value }) => value).toSorted((one, other) => one - other);
  return numbers.length === 0 ? undefined : `ports ${numbers.slice(0, 10).join(' ')}${numbers.length > 10 ? ' …' : ''}`;
}

function addressesOf({ defaultPrivateIP, defaultPublicIP }: Addresses): string {
  return sentence(defaultPrivateIP, defaultPublicIP === undefined ? undefined : `public ${defaultPublicIP}`);
}

function named(clusters: readonly { readonly clusterId: string }[]): string {
  return `${counted(clusters.length, 'cluster')}: ${listed(clusters.map(({ clusterId }) => clusterId))}`;
}

function listed(items: readonly string[]): string {
  const more = items.length > 5 ? [`and ${items.length - 5} more`] : [];
  return [...items.slice(0, 5), ...more].join(', ');
}
