import type { MemberStatus } from '../messages/member.ts';

/**
 * Whether the cloud controller lets a member go from one status to another. Staying is always allowed. Only the
 * controller enforces this; receivers follow what it publishes.
 *
 * @see protocol.md 5.3
 */
export function mayFollow(from: MemberStatus, to: MemberStatus): boolean {
  return from === to || successors[from].includes(to);
}

const successors: Readonly<Record<MemberStatus, readonly MemberStatus[]>> = {
  Created: ['Initialized'],
  Initialized: ['Starting'],
  Starting: ['Active'],
  Active: ['In_Maintenance', 'Starting', 'Suspended'],
  In_Maintenance: ['ReadyToShutDown'],
  ReadyToShutDown: ['Terminated'],
  Suspended: ['Terminated'],
  Terminated: [],
};
