import { setTimeout as pause } from 'node:timers/promises';
import { shop } from '../../agent/demo/story.ts';
import { bigTopology } from '../support/big-topology.ts';
import { warmUp } from './life.ts';
import type { Note } from './measures.ts';
import { readCpuMs, readMemory, untilCalm } from './process.ts';
import { openStage } from './stage.ts';

const minuteMs = 60_000;
/** Until then an agent loads what the start did not wait for, and writes down what it has compiled: see run.ts. */
const startIsOverMs = 6_000;

/** A minute in Active in which nothing happens but the agent's own statistics, every 15 s, and its pings. */
export async function measureIdle(note: Note, signal: AbortSignal): Promise<void> {
  await warmUp(signal);
  await using stage = await openStage(signal);
  const { peer } = stage;
  const agent = await stage.startAgent();
  await peer.heard('CompleteTopologyRequestEvent');
  await peer.say(
    'CompleteTopologyEvent',
    bigTopology({ members: 100, memberId: shop.memberId, status: 'Initialized' }),
  );
  await peer.heard('InstanceActivatedEvent');
  await pause(startIsOverMs, undefined, { signal });
  await untilCalm(agent.pid, signal);

  const cpuBeforeMs = readCpuMs(agent.pid);
  await pause(minuteMs, undefined, { signal });
  note('idleCpu', readCpuMs(agent.pid) - cpuBeforeMs);
  const { rss, anon } = readMemory(agent.pid);
  note('idleRss', rss);
  note('idleAnon', anon);
}
