import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { shop } from '../../agent/demo/story.ts';
import { bigTopology } from '../support/big-topology.ts';
import { freePort } from '../support/mosquitto.ts';
import type { Note } from './measures.ts';
import { readCpuMs, readMemory } from './process.ts';
import { home, openStage } from './stage.ts';

const topology = bigTopology({ members: 100, memberId: shop.memberId, status: 'Initialized' });

/** The first start on a machine: nothing is compiled yet. */
export async function measureFirstStart(note: Note, signal: AbortSignal): Promise<void> {
  await rm(home, { recursive: true, force: true });
  await using stage = await openStage(signal);
  const agent = await stage.startAgent();
  note('firstStart', (await stage.peer.heard('CompleteTopologyRequestEvent')) - agent.startedMs);
  await agent.stop(); // writes what it has compiled
}

/** All but the very first start find what an earlier one has compiled. */
export async function warmUp(signal: AbortSignal): Promise<void> {
  if (!existsSync(home)) await measureFirstStart(() => {}, signal);
}

/** One whole life. All moments are those of the platform's side: published here, heard here. */
export async function measureLife(note: Note, signal: AbortSignal): Promise<void> {
  await warmUp(signal);
  await using stage = await openStage(signal);
  const { peer } = stage;
  const port = await freePort();
  const agent = await stage.startAgent({ PORTS: String(port) });

  // Asked after SUBACK, so this is a little more than the time to being subscribed.
  note('start', (await peer.heard('CompleteTopologyRequestEvent')) - agent.startedMs);
  note('startCpu', readCpuMs(agent.pid));

  const toldMs = performance.now();
  await peer.say('CompleteTopologyEvent', topology);
  note('started', (await peer.heard('InstanceStartedEvent')) - toldMs);

  // At any moment between two looks of the agent.
  await pause(300 + 100 * Math.random(), undefined, { signal });
  await using service = createServer((socket) => socket.destroy());
  service.listen(port, '127.0.0.1');
  await once(service, 'listening', { signal });
  const openedMs = performance.now();
  note('activated', (await peer.heard('InstanceActivatedEvent')) - openedMs);

  const { rss, anon } = readMemory(agent.pid);
  note('freshRss', rss);
  note('freshAnon', anon);

  const cleanupMs = performance.now();
  await peer.say('InstanceCleanupMemberEvent', JSON.stringify({ memberId: shop.memberId }));
  note('readyToShutdown', (await peer.heard('InstanceReadyToShutdownEvent')) - cleanupMs);
  await agent.exited;
}
