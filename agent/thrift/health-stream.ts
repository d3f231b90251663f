import type { StreamDefinition, StreamEvent } from './bundle.ts';
import type { Source } from './feed.ts';

/** Who the statistics are about. */
export type Reporter = {
  readonly clusterId: string;
  readonly clusterInstanceId: string | null;
  readonly networkPartitionId: string | null;
  readonly memberId: string;
  readonly partitionId: string | null;
};

/** In percent. The CEP takes another name, `ports_not_open`, for the end of the member: it is never sent. */
export type OwnStatistics = { readonly memory_consumption: number; readonly load_average: number };

/** @see protocol.md section 9.2 */
export const healthStream: StreamDefinition = {
  name: 'cartridge_agent_health_stats',
  version: '1.0.0',
  nickName: 'agent health stats',
  description: 'agent health stats',
  payloadData: [
    { name: 'cluster_id', type: 'STRING' },
    { name: 'cluster_instance_id', type: 'STRING' },
    { name: 'network_partition_id', type: 'STRING' },
    { name: 'member_id', type: 'STRING' },
    { name: 'partition_id', type: 'STRING' },
    { name: 'health_description', type: 'STRING' },
    { name: 'value', type: 'DOUBLE' },
  ],
};

/**
 * Statistics for one receiver: of those it has not taken, only the newest are kept. One event at a time, as the originals;
 * memory, then load.
 */
export type HealthSource = Source & { measured(values: OwnStatistics, timestampMs: number): void };

export function createHealthSource(reporter: Reporter): HealthSource {
  let left: readonly StreamEvent[] = [];

  return {
    measured(values, timestampMs) {
      const names = ['memory_consumption', 'load_average'] as const;
      left = names.map((name) => ({ timestampMs, values: valuesOf(reporter, name, values[name]) }));
    },
    next: () => (left.length === 0 ? null : left.slice(0, 1)),
    sent([event]) {
      left = left.filter((each) => each !== event);
    },
  };
}

function valuesOf(reporter: Reporter, healthDescription: string, percent: number): (string | number)[] {
  const { clusterId, clusterInstanceId, networkPartitionId, memberId, partitionId } = reporter;
  const ids = [clusterId, clusterInstanceId, networkPartitionId, memberId, partitionId];
  return [...ids.map((id) => id ?? ''), healthDescription, percent];
}
