import { z } from 'zod';
import { id, optional } from './fields.ts';

/**
 * One measure of an active instance. The autoscaler's rules know `memory_consumption` and `load_average`; plugins add
 * others. `ports_not_open` is refused: on the statistics stream it turns the member faulty at once.
 *
 * @see design.md, The bus; protocol.md 9.3
 */
export const HealthStatisticsEvent = z.strictObject({
  clusterId: id,
  clusterInstanceId: optional(z.string()),
  networkPartitionId: optional(z.string()),
  memberId: id,
  partitionId: optional(z.string()),
  healthDescription: id
    .refine((name) => name !== 'ports_not_open', { error: 'would make the member faulty' })
    .describe('What was measured.'),
  value: z.number().describe('Percent; a load may exceed 100.'),
  timestamp: z.int().describe('Milliseconds since 1970.'),
});
export type HealthStatisticsEvent = z.infer<typeof HealthStatisticsEvent>;
