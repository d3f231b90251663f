import { noPorts, noProperties, type Port } from '../messages/fields.ts';
import type { Member, MemberStatus } from '../messages/member.ts';
import type { Message } from '../messages/topics.ts';
import type { MemberActivatedEvent, MemberInitializedEvent, MemberStartedEvent } from '../messages/topology.ts';
import { mayFollow } from './member-status.ts';
import { dropped, inCluster, type Model, type ModelCluster, putMember, removeMember } from './model.ts';
import type { TopologyChange } from './topology-change.ts';

/** The status each event brings; a terminated member is removed instead. */
const statusAfter = {
  MemberCreatedEvent: 'Created',
  MemberInitializedEvent: 'Initialized',
  MemberStartedEvent: 'Starting',
  MemberActivatedEvent: 'Active',
  MemberMaintenanceModeEvent: 'In_Maintenance',
  MemberReadyToShutdownEvent: 'ReadyToShutDown',
  MemberSuspendedEvent: 'Suspended',
} as const satisfies Readonly<Record<string, MemberStatus>>;

type MemberMessage = Message<keyof typeof statusAfter | 'MemberTerminatedEvent'>;
type StatusMessage = Message<keyof typeof statusAfter>;

/** @see protocol.md 5.2 */
export function applyMember(model: Model, message: MemberMessage): TopologyChange[] {
  return inCluster(model, message.event, message.body, (cluster) => {
    const member = cluster.members.get(message.body.memberId);
    if (message.event === 'MemberTerminatedEvent') {
      if (member === undefined) return dropped(message.event, 'unknownMember', message.body.memberId);
      return [removeMember(model, cluster, member)];
    }
    return member === undefined ? addMember(model, cluster, message) : changeMember(cluster, member, message);
  });
}

/** The first two events tell enough to make a member from; what is missing after a gap comes with the next topology. */
function addMember(model: Model, cluster: ModelCluster, message: StatusMessage): TopologyChange[] {
  const { event, body } = message;
  if (event !== 'MemberCreatedEvent' && event !== 'MemberInitializedEvent') {
    return dropped(event, 'unknownMember', body.memberId);
  }
  if (model.homes.has(body.memberId)) return dropped(event, 'elsewhere', body.memberId);
  const blank = blankMember(body, statusAfter[event], body.properties);
  const member =
    event === 'MemberInitializedEvent'
      ? { ...blank, ...initialized(blank, body) }
      : { ...blank, initTime: body.initTime };
  putMember(model, cluster, member);
  return [{ kind: 'member', member, previous: null }];
}

/** An illegal transition is applied all the same: only the platform knows better (5.1 rule 7). */
function changeMember(cluster: ModelCluster, member: Member, message: StatusMessage): TopologyChange[] {
  const { event } = message;
  const status = statusAfter[event];
  if (event === 'MemberCreatedEvent' || status === member.status) return [];
  if (isLate(member, status)) return dropped(event, 'late', member.memberId);
  if (event === 'MemberActivatedEvent' && lacksAddress(message.body)) {
    return dropped(event, 'incomplete', member.memberId);
  }
  const changed = { ...member, ...detailsOf(member, message), status, stateStack: [...member.stateStack, status] };
  cluster.members.set(member.memberId, changed);
  return [{ kind: 'member', member: changed, previous: member.status }];
}

/**
 * A late copy of an older status would move the member back (5.2). A way back that the platform allows is one all the
 * same: Active -> Starting when an agent starts again, and then Starting -> Active.
 */
function isLate(member: Member, status: MemberStatus): boolean {
  return member.stateStack.includes(status) && !mayFollow(member.status, status);
}

function lacksAddress({ defaultPrivateIP, portMap }: MemberActivatedEvent): boolean {
  return defaultPrivateIP === undefined || portMap.length === 0;
}

function detailsOf(member: Member, { event, body }: StatusMessage): Partial<Member> {
  if (event === 'MemberInitializedEvent') return initialized(member, body);
  if (event === 'MemberActivatedEvent')
    return { ...addresses(member, body), ports: merged(member.ports, body.portMap) };
  return {};
}

function initialized(member: Member, body: MemberInitializedEvent): Partial<Member> {
  return { ...addresses(member, body), instanceId: body.instanceId ?? member.instanceId };
}

type Addresses = Pick<
  MemberActivatedEvent,
  'memberPublicIPs' | 'defaultPublicIP' | 'memberPrivateIPs' | 'defaultPrivateIP'
>;

/** What the event does not tell stays as it was. */
function addresses(member: Member, told: Addresses): Partial<Member> {
  return {
    publicIPs: told.memberPublicIPs.length > 0 ? told.memberPublicIPs : member.publicIPs,
    defaultPublicIP: told.defaultPublicIP ?? member.defaultPublicIP,
    privateIPs: told.memberPrivateIPs.length > 0 ? told.memberPrivateIPs : member.privateIPs,
    defaultPrivateIP: told.defaultPrivateIP ?? member.defaultPrivateIP,
  };
}

function merged(known: readonly Port[], told: readonly Port[]): readonly Port[] {
  if (known.length === 0) return told;
  return [...new Map([...known, ...told].map((port) => [port.proxy, port])).values()];
}

function blankMember(body: MemberStartedEvent, status: MemberStatus, properties = noProperties): Member {
  const { serviceName, clusterId, memberId, clusterInstanceId, networkPartitionId, partitionId } = body;
  return {
    serviceName,
    clusterId,
    memberId,
    clusterInstanceId,
    networkPartitionId,
    partitionId,
    initTime: undefined,
    instanceId: undefined,
    lbClusterId: undefined,
    publicIPs: [],
    defaultPublicIP: undefined,
    privateIPs: [],
    defaultPrivateIP: undefined,
    properties,
    ports: noPorts,
    status,
    stateStack: [status],
  };
}
