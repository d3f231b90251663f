import { cpus, freemem, loadavg, totalmem } from 'node:os';
import { setInterval } from 'node:timers/promises';
import { topicOf, writeMessage } from '../state/messages/topics.ts';
import type { Broker } from './broker/broker.ts';
import type { Log } from './log.ts';

/** Who the statistics are about. */
export type Reporter = {
  readonly clusterId: string;
  readonly clusterInstanceId: string | null;
  readonly networkPartitionId: string | null;
  readonly memberId: string;
  readonly partitionId: string | null;
};

/** In percent, by the name the platform knows them by. */
export type Statistics = Readonly<Record<string, number>>;

/**
 * Publishes memory and load at once, with each new link and every `intervalMs`, until the signal is aborted. Newest wins: what cannot
 * be sent now is dropped.
 *
 * @see protocol.md section 9.3; design.md, "The bus"
 */
export async function publishStatistics(
  { reporter, intervalMs, signal }: { reporter: Reporter; intervalMs: number; signal: AbortSignal },
  { broker, log, onSent = () => {} }: { broker: Broker; log: Log; onSent?: (values: Statistics) => void },
): Promise<void> {
  const round = async () => {
    const measured = measure();
    for (const [healthDescription, value] of Object.entries(measured)) {
      const { clusterId, clusterInstanceId, networkPartitionId, memberId, partitionId } = reporter;
      const ids = { clusterId, clusterInstanceId, networkPartitionId, memberId, partitionId };
      const body = { ...ids, healthDescription, value, timestamp: Date.now() };
      await broker.publish(topicOf('HealthStatisticsEvent'), writeMessage('HealthStatisticsEvent', body), { qos: 0 });
    }
    onSent(measured);
  };
  const roundOrNotice = () =>
    round().catch((err) =>
      log.debug({ event: 'statistics.dropped', err }, 'statistics dropped: no link to the broker'),
    );

  log.info({ event: 'statistics.started', intervalMs }, 'statistics started');
  // With each link at once: after a minute without statistics the platform replaces the member.
  broker.onLink((link) => {
    if (link === 'up') void roundOrNotice();
  }, signal);
  if (broker.link === 'up') await roundOrNotice();
  for await (const _ of setInterval(intervalMs, undefined, { signal })) await roundOrNotice();
}

/** In percent: memory that nobody could have without swapping, and the 1-minute load per core. */
function measure(): Statistics {
  const memory = (100 * (totalmem() - freemem())) / totalmem();
  const load = (100 * (loadavg()[0] ?? 0)) / cpus().length;
  return { memory_consumption: rounded(memory), load_average: rounded(load) };
}

function rounded(percent: number): number {
  return Math.round(percent * 100) / 100;
}
