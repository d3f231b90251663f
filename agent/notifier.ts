import type { NoticeName } from '../plugins/contract.ts';
import type { InstanceConfig } from '../state/config/config.ts';
import type { Member, MemberStatus } from '../state/messages/member.ts';
import { sliceJson } from '../state/messages/raw-json.ts';
import type { TenantChange } from '../state/tenants.ts';
import type { TopologyChange } from '../state/topology/topology-change.ts';
import type { Hooks } from './hooks/hooks.ts';

type Change = TopologyChange | TenantChange;

const memberNotices: Readonly<Partial<Record<MemberStatus, MemberNotice>>> = {
  Initialized: 'memberInitialized',
  Starting: 'memberStarted',
  Active: 'memberActivated',
  In_Maintenance: 'memberMaintenance',
  Suspended: 'memberSuspended',
  Terminated: 'memberTerminated',
};
type MemberNotice = Extract<NoticeName, `member${string}`>;

/**
 * Tells the hooks what changed in the models. Documents are given as they were received.
 *
 * @see plugins.md, "The hooks"; protocol.md section 7.1
 */
export function createNotifier({ instance, hooks }: { instance: InstanceConfig; hooks: Hooks }) {
  const clusters = new Set([instance.clusterId, ...instance.dependencyClusterIds]);
  const toldMembers = new Map<string, Set<MemberStatus>>();

  return (changes: readonly Change[], payload: Uint8Array): void => {
    // What a first complete topology lists has not happened just now: completeTopology tells it as a whole.
    const isFirst = changes.some((change) => change.kind === 'complete' && change.first);
    for (const change of changes) notifyOf(change, payload, isFirst);
  };

  function notifyOf(change: Change, payload: Uint8Array, isFirst: boolean): void {
    switch (change.kind) {
      case 'complete':
        if (change.changed && hooks.has('completeTopology')) hooks.notify('completeTopology', documentsIn(payload));
        break;
      case 'completeTenants':
        if (change.changed) hooks.notify('completeTenant', { tenants: slice(payload, ['tenants']) ?? '[]' });
        break;
      case 'member':
        notifyMember(change.member, change.member.status, isFirst);
        break;
      case 'memberRemoved':
        notifyMember(change.member, 'Terminated', false);
        toldMembers.delete(change.member.memberId);
        break;
      case 'tenantSubscribed': {
        const { serviceName, clusterIds } = change;
        hooks.notify('tenantSubscribed', { tenantId: Number(change.tenantId), serviceName, clusterIds });
        break;
      }
      case 'domainMappingAdded': {
        const contextPath = change.mapping.contextPath ?? null;
        hooks.notify('domainMappingAdded', { ...mappingOf(change), contextPath });
        break;
      }
      case 'domainMappingRemoved':
        hooks.notify('domainMappingRemoved', mappingOf(change));
        break;
      case 'signUpRemoved': {
        const { applicationId, tenantId } = change;
        if (applicationId !== instance.applicationId) break;
        hooks.notify('applicationSignUpRemoved', { applicationId, tenantId: Number(tenantId) });
      }
    }
  }

  /** Once per member and status, of our cluster and those it depends on. */
  function notifyMember(member: Member, status: MemberStatus, silently: boolean): void {
    const { memberId, clusterId } = member;
    if (!clusters.has(clusterId)) return;
    const told = toldMembers.get(memberId) ?? new Set();
    toldMembers.set(memberId, told);
    if (told.has(status)) return;
    told.add(status);
    const notice = memberNotices[status];
    if (notice !== undefined && !silently) hooks.notify(notice, { memberId, clusterId, status, member });
  }

  function documentsIn(payload: Uint8Array) {
    const { serviceName, clusterId } = instance;
    const members = ['topology', 'serviceMap', serviceName, 'clusterIdClusterMap', clusterId, 'memberMap'];
    return { topology: slice(payload, ['topology']) ?? '{}', members: slice(payload, members) ?? '{}' };
  }
}

function slice(payload: Uint8Array, path: readonly string[]): Uint8Array | null {
  const found = sliceJson(payload, path);
  return found === null ? null : payload.subarray(found.start, found.end);
}

function mappingOf({
  mapping,
  tenantDomain,
}: Extract<TenantChange, { kind: 'domainMappingAdded' | 'domainMappingRemoved' }>) {
  const { applicationId, serviceName, clusterId, domainName, tenantId } = mapping;
  return {
    applicationId,
    serviceName,
    clusterId,
    domainName,
    tenantId: Number(tenantId),
    tenantDomain: tenantDomain ?? null,
  };
}
