import type { MemberStatus } from '../../state/messages/member.ts';
import type { EventName } from '../../state/messages/topics.ts';
import {
  type Installation,
  type Member,
  machineOf,
  portsOf,
  statusOf,
  topologyOf,
  withMember,
  withoutMember,
  withStatus,
} from './installation.ts';

/** What an agent said. */
export type Told = { readonly event: string; readonly body: Readonly<Record<string, unknown>> };

/** What a part of the platform says to everybody. */
export type Message = {
  readonly from: 'cloud controller' | 'stratos manager' | 'autoscaler';
  readonly event: EventName;
  readonly body: object;
};

/** A status event that came to nothing. The controller says so only in its own log. */
export type Refusal = {
  readonly event: string;
  readonly memberId: string;
  /** Null: there is no such member. */
  readonly from: MemberStatus | null;
  readonly to: MemberStatus;
};

/** What became of an event: the platform after it, and what it says because of it. */
export type Outcome = {
  readonly installation: Installation;
  readonly publish: readonly Message[];
  readonly refused: Refusal | null;
};

/** Which status a member must have for the event to be taken; the one it leads to is always fine. @see protocol.md 5.3 */
const transitions: Readonly<Record<string, { from: readonly MemberStatus[]; to: MemberStatus }>> = {
  InstanceStartedEvent: { from: ['Initialized', 'Active'], to: 'Starting' },
  InstanceActivatedEvent: { from: ['Starting'], to: 'Active' },
  InstanceMaintenanceModeEvent: { from: ['Active'], to: 'In_Maintenance' },
  InstanceReadyToShutdownEvent: { from: ['In_Maintenance'], to: 'ReadyToShutDown' },
};

/** The cloud controller: what it does with what agents say. Events that are not for it change nothing. */
export function handle(installation: Installation, { event, body }: Told): Outcome {
  if (event === 'CompleteTopologyRequestEvent') return outcome(installation, [completeTopology(installation)]);
  const transition = transitions[event];
  if (transition === undefined) return outcome(installation, []);

  const { from, to } = transition;
  const memberId = String(body['memberId']);
  const member = installation.members.get(memberId);
  const status = member === undefined ? null : statusOf(member);
  if (member === undefined || status === null || !(status === to || from.includes(status))) {
    return { installation, publish: [], refused: { event, memberId, from: status, to } };
  }
  const moved = moveTo(to, member, installation);
  return outcome(withMember(installation, moved), [statusMessage(to, moved, body)]);
}

export function completeTopology(installation: Installation): Message {
  return says('CompleteTopologyEvent', { topology: topologyOf(installation) });
}

/** The autoscaler asked for one more member: it is announced before there is a machine. */
export function createMember(installation: Installation, member: Member): Outcome {
  const { memberId, loadBalancingIPType, initTime, properties } = member;
  const event = says('MemberCreatedEvent', { ...whereIs(member), memberId, loadBalancingIPType, initTime, properties });
  return outcome(withMember(installation, member), [event]);
}

/** The machine runs and has addresses. Nothing comes of it for a member that is further already. */
export function initializeMember(installation: Installation, memberId: string): Outcome {
  const member = installation.members.get(memberId);
  if (member === undefined || !['Created', 'Initialized'].includes(statusOf(member))) return outcome(installation, []);
  const number = [...installation.members.keys()].indexOf(memberId);
  const machine = machineOf(memberId, 11 + (number % 200));
  const { properties } = member;
  const event = says('MemberInitializedEvent', { ...whereIs(member), memberId, ...machine, properties });
  return outcome(withMember(installation, withStatus({ ...member, ...machine }, 'Initialized')), [event]);
}

/** The machine is gone, whatever the status was. */
export function terminateMember(installation: Installation, memberId: string): Outcome {
  const member = installation.members.get(memberId);
  if (member === undefined) return outcome(installation, []);
  const { serviceName, clusterId, clusterInstanceId, networkPartitionId, partitionId, properties } = member;
  const where = { clusterInstanceId, networkPartitionId, partitionId };
  const event = says('MemberTerminatedEvent', { serviceName, clusterId, memberId, ...where, properties });
  return outcome(withoutMember(installation, memberId), [event]);
}

function moveTo(status: MemberStatus, member: Member, installation: Installation): Member {
  const moved = withStatus(member, status);
  return status === 'Active' ? { ...moved, portMap: portsOf(installation, member.serviceName) } : moved;
}

/** The controller repeats the ids of the place as the agent wrote them: a wrong one goes to everybody. @see protocol.md 4.5 */
function statusMessage(status: MemberStatus, member: Member, body: Told['body']): Message {
  const { serviceName, clusterId, memberId, portMap, ...rest } = member;
  const { clusterInstanceId, networkPartitionId, partitionId } = body;
  const place = { networkPartitionId, partitionId };
  if (status === 'Starting') {
    return says('MemberStartedEvent', { serviceName, clusterId, clusterInstanceId, ...place, memberId });
  }
  const who = { serviceName, clusterId, clusterInstanceId, memberId, ...place };
  if (status === 'In_Maintenance') return says('MemberMaintenanceModeEvent', who);
  if (status === 'ReadyToShutDown') return says('MemberReadyToShutdownEvent', who);
  const { memberPrivateIPs, defaultPrivateIP, memberPublicIPs, defaultPublicIP } = rest;
  const addresses = { memberPrivateIPs, defaultPrivateIP, memberPublicIPs, defaultPublicIP };
  return says('MemberActivatedEvent', { ...who, portMap, ...addresses });
}

function whereIs({ serviceName, clusterId, clusterInstanceId, networkPartitionId, partitionId }: Member) {
  return { serviceName, clusterId, clusterInstanceId, networkPartitionId, partitionId };
}

function says(event: EventName, body: object): Message {
  return { from: 'cloud controller', event, body };
}

function outcome(installation: Installation, publish: readonly Message[]): Outcome {
  return { installation, publish, refused: null };
}
