import { once } from 'node:events';
import type { Config } from '../state/config/config.ts';
import type { MemberStatus } from '../state/messages/member.ts';
import { createTenants, type Tenants } from '../state/tenants.ts';
import { createTopology, findCluster, findMember, memberStatus, type Topology } from '../state/topology.ts';
import type { CommonValues } from './hooks/environment.ts';

/** What the platform has told us so far, and what scripts are told of it. */
export type Models = {
  readonly topology: Topology;
  readonly tenants: Tenants;
  /** What the platform shows our member as; waits for the first complete topology. */
  ownStatus(signal: AbortSignal): Promise<MemberStatus | 'absent' | 'unknown'>;
  /** To be called after each complete topology. */
  completed(): void;
  /** @param mbIp - host of the broker in use; see protocol.md section 7.2 */
  facts(mbIp: string): CommonValues;
};

export function createModels({ instance, loadBalancer }: Config): Models {
  const topology = createTopology();
  const tenants = createTenants();
  const complete = new EventTarget();
  return {
    topology,
    tenants,
    async ownStatus(signal) {
      if (!topology.isComplete) await once(complete, 'complete', { signal });
      return memberStatus(topology, instance.memberId);
    },
    completed: () => void complete.dispatchEvent(new Event('complete')),
    facts(mbIp) {
      const [balancer] = findCluster(topology, loadBalancer.clusterId ?? '')?.members.values() ?? [];
      return {
        mbIp,
        lbIp: balancer?.defaultPrivateIP ?? loadBalancer.privateIp,
        lbPublicIp: balancer?.defaultPublicIP ?? loadBalancer.publicIp,
        serviceProperties: topology.services.get(instance.serviceName)?.properties ?? {},
        clusterProperties: findCluster(topology, instance.clusterId)?.properties ?? {},
        memberProperties: findMember(topology, instance.memberId)?.properties ?? {},
      };
    },
  };
}
