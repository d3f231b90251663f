import { shop } from '../../agent/demo/story.ts';
import { bigTopology } from '../support/big-topology.ts';
import type { Note } from './measures.ts';
import { readMemory, untilCalm } from './process.ts';
import { openStage } from './stage.ts';

/** 106,000 members are 58 MB. */
const members = 106_000;

/** A whole installation at once, and once more, as every minute. */
export async function measureBig(note: Note, signal: AbortSignal): Promise<void> {
  const topology = bigTopology({ members, memberId: shop.memberId, status: 'Initialized' });
  await using stage = await openStage(signal);
  const { peer } = stage;
  const agent = await stage.startAgent();
  await peer.heard('CompleteTopologyRequestEvent');
  const peak = watchAnon(agent.pid);

  const toldMs = performance.now();
  await peer.say('CompleteTopologyEvent', topology);
  note('bigStarted', (await peer.heard('InstanceStartedEvent')) - toldMs);

  await untilCalm(agent.pid, signal);
  note('bigPeakAnon', peak.stop());
  note('bigPeak', readMemory(agent.pid).peak);
  await peer.say('CompleteTopologyEvent', topology);
  await stage.untilRead(agent);
  await untilCalm(agent.pid, signal);
  note('bigPeakAgain', readMemory(agent.pid).peak);
  note('bigCalm', readMemory(agent.pid).rss);
}

/** The kernel keeps the peak of the whole only. */
function watchAnon(pid: number): { stop(): number } {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, readMemory(pid).anon);
  }, 10);
  return {
    stop() {
      clearInterval(timer);
      return most;
    },
  };
}
