import type { ClusterStatus } from '../messages/cluster.ts';
import type { Member, MemberStatus } from '../messages/member.ts';
import type { EventName } from '../messages/topics.ts';

/** What an event did to the topology, for those who act on it. An event that changes nothing new has none. */
export type TopologyChange =
  /** A complete topology was taken over. `changed`: it, or an event since the last one, brought something new. */
  | { readonly kind: 'complete'; readonly first: boolean; readonly changed: boolean }
  /** A member appeared (`previous` is null) or has a new status. */
  | { readonly kind: 'member'; readonly member: Member; readonly previous: MemberStatus | null }
  /** A member is gone; this is how it was. */
  | { readonly kind: 'memberRemoved'; readonly member: Member }
  | { readonly kind: 'serviceAdded' | 'serviceRemoved'; readonly serviceName: string }
  | { readonly kind: 'clusterAdded' | 'clusterRemoved'; readonly serviceName: string; readonly clusterId: string }
  /** `status` is null when the instance is gone, `previous` when it is new. */
  | {
      readonly kind: 'clusterInstance';
      readonly clusterId: string;
      readonly instanceId: string;
      readonly status: ClusterStatus | null;
      readonly previous: ClusterStatus | null;
    }
  /** The event, or this part of it, was not applied; `id` is what is missing or was left alone. */
  | { readonly kind: 'dropped'; readonly event: EventName; readonly reason: DropReason; readonly id: string | null }
  /** Parts of the event could not be read and were left out. */
  | { readonly kind: 'unreadable'; readonly event: EventName; readonly problems: readonly string[] };

/**
 * Why an event was not applied: no complete topology yet; it names something unknown; its member is in another cluster;
 * it lacks what the platform promises; or it is a late copy of what has happened before. The next complete topology
 * repairs the model.
 */
export type DropReason =
  | 'notComplete'
  | 'unknownService'
  | 'unknownCluster'
  | 'unknownInstance'
  | 'unknownMember'
  | 'elsewhere'
  | 'incomplete'
  | 'late';
