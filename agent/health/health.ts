import { setInterval } from 'node:timers/promises';
import { topicOf, writeMessage } from '../../state/messages/topics.ts';
import type { Broker } from '../broker/broker.ts';
import type { Log } from '../log.ts';
import { createMeasure, type Measure } from './measure.ts';
import type { Readers, Statistics } from './readers.ts';

/** Who the statistics are about. */
export type Reporter = {
  readonly clusterId: string;
  readonly clusterInstanceId: string | null;
  readonly networkPartitionId: string | null;
  readonly memberId: string;
  readonly partitionId: string | null;
};

/** Where statistics come from, and where they go. */
export type StatisticsParts = {
  readonly broker: Pick<Broker, 'link' | 'onLink' | 'publish'>;
  readonly measure?: Measure;
  readonly readers?: Readers;
  /** Told memory and load, once they are out. */
  readonly onSent?: (values: Statistics) => void;
  readonly log: Log;
};

/**
 * Publishes memory, load and what plugins measure, each as soon as it is known: at once, with each new link and every
 * `intervalMs`, until the signal is aborted. Newest wins: what cannot be sent now is dropped. Nothing that hangs holds up
 * the next round: after a minute without statistics the platform replaces the member.
 *
 * @param options - `enabled`: if not, nothing is sent; plugins are asked all the same, for that is when they look after
 * themselves
 * @see protocol.md section 9.3; design.md, "The bus"; plugins.md, "A plugin in TypeScript"
 */
export async function publishStatistics(
  options: { reporter: Reporter; enabled: boolean; intervalMs: number; signal: AbortSignal },
  { broker, measure = createMeasure(), readers = () => [], onSent = () => {}, log }: StatisticsParts,
): Promise<void> {
  const { reporter, enabled, intervalMs, signal } = options;

  /** Nothing of a round is waited for: on a link that is going, the end of a write may never be told. */
  function beginRound(): void {
    if (enabled) void publishAll(measure(), onSent);
    for (const reading of readers()) void publishAll(reading);
  }

  async function publishAll(reading: Promise<Statistics>, tell: (sent: Statistics) => void = () => {}): Promise<void> {
    const values = await reading;
    if (!enabled || signal.aborted) return;
    const letters = Object.entries(values).map(([name, value]) => letterOf(reporter, name, value));
    try {
      await Promise.all(letters.map((letter) => broker.publish(topicOf('HealthStatisticsEvent'), letter, { qos: 0 })));
      tell(values);
    } catch (err) {
      log.debug({ event: 'statistics.dropped', err }, 'statistics dropped: no link to the broker');
    }
  }

  if (enabled) log.info({ event: 'statistics.started', intervalMs }, 'statistics started');
  broker.onLink((link) => {
    if (link === 'up') beginRound();
  }, signal);
  if (broker.link === 'up') beginRound();
  for await (const _ of setInterval(intervalMs, undefined, { signal })) beginRound();
}

function letterOf(reporter: Reporter, healthDescription: string, value: number): string {
  const { clusterId, clusterInstanceId, networkPartitionId, memberId, partitionId } = reporter;
  const ids = { clusterId, clusterInstanceId, networkPartitionId, memberId, partitionId };
  return writeMessage('HealthStatisticsEvent', { ...ids, healthDescription, value, timestamp: Date.now() });
}
