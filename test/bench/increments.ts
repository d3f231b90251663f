import { readFileSync } from 'node:fs';
import { shop } from '../../agent/demo/story.ts';
import { type EventName, parseMessage, topicOf } from '../../state/messages/topics.ts';
import { apply, createTopology } from '../../state/topology.ts';
import { bigTopology } from '../support/big-topology.ts';
import type { Note } from './measures.ts';
import { readCpuMs, untilCalm } from './process.ts';
import { openStage } from './stage.ts';

type Increment = { readonly topic: string; readonly text: string };

const count = 10_000;
const members = 10_000;
/** Members whose lives go on side by side. */
const atOnce = 64;
const wayOfMember = [
  'MemberCreatedEvent',
  'MemberInitializedEvent',
  'MemberStartedEvent',
  'MemberActivatedEvent',
  'MemberMaintenanceModeEvent',
  'MemberReadyToShutdownEvent',
  'MemberTerminatedEvent',
] as const satisfies readonly EventName[];

/** Members come and go in a hundred clusters, or all in one; ours depends on that one, so that it has to look at each. */
const places = {
  spread: { membersPerCluster: 100, clusterIds: clusterIds(100), measures: ['spreadRate', 'spreadCpu', 'spreadLost'] },
  crowd: { membersPerCluster: members, clusterIds: clusterIds(1), measures: ['crowdRate', 'crowdCpu', 'crowdLost'] },
} as const;
type Place = (typeof places)[keyof typeof places];

/** From the first increment said until the agent says what comes of the last. */
export async function measureIncrements(note: Note, signal: AbortSignal): Promise<void> {
  for (const place of Object.values(places)) await measureAt(place, note, signal);
}

/** The same without a broker: bytes to message to model. */
export async function measureCore(note: Note): Promise<void> {
  note('spreadCore', coreRate(places.spread));
  note('crowdCore', coreRate(places.crowd));
}

async function measureAt(place: Place, note: Note, signal: AbortSignal): Promise<void> {
  await using stage = await openStage(signal);
  const { peer } = stage;
  const agent = await stage.startAgent({ DEPENDENCY_CLUSTER_IDS: place.clusterIds[0] ?? '' });
  await peer.heard('CompleteTopologyRequestEvent');
  await peer.say('CompleteTopologyEvent', topologyAt(place));
  await stage.untilRead(agent);
  await untilCalm(agent.pid, signal);
  const complaints: string[] = [];
  agent.onLine(({ event }) => {
    if (event.startsWith('message.')) complaints.push(event);
  });

  // The last one is ours, and lets the agent decide something.
  const increments = [...incrementsAt(place, count - 1), increment('MemberInitializedEvent', shop)];
  const cpuBeforeMs = readCpuMs(agent.pid);
  const sinceMs = performance.now();
  await peer.pour(increments);
  const untilMs = await peer.heard('InstanceStartedEvent');
  const cpuMs = readCpuMs(agent.pid) - cpuBeforeMs;

  const [rate, cpu, lost] = place.measures;
  const dropped = await peer.dropped();
  if (dropped !== null) note(lost, dropped);
  // Then it was less work than it should be.
  if (dropped !== null && dropped > 0) throw new Error(`the broker dropped ${dropped} increments`);
  if (complaints.length > 0) throw new Error(`the agent did not apply all increments: ${complaints}`);
  note(rate, (1000 * count) / (untilMs - sinceMs));
  note(cpu, (1000 * cpuMs) / count);
}

function coreRate(place: Place): number {
  const bytes = new TextEncoder();
  const topology = createTopology();
  apply(topology, parseMessage(topicOf('CompleteTopologyEvent'), bytes.encode(topologyAt(place))));
  const messages = incrementsAt(place, count).map(({ topic, text }) => ({ topic, payload: bytes.encode(text) }));
  let applied = 0;

  const sinceMs = performance.now();
  for (const { topic, payload } of messages) {
    for (const { kind } of apply(topology, parseMessage(topic, payload))) {
      if (kind === 'member' || kind === 'memberRemoved') applied += 1;
    }
  }
  const durationMs = performance.now() - sinceMs;

  if (applied !== count) throw new Error(`only ${applied} of ${count} increments changed the topology`);
  return (1000 * count) / durationMs;
}

function topologyAt({ membersPerCluster }: Place): string {
  return bigTopology({ members, membersPerCluster, memberId: shop.memberId, status: 'Created' });
}

/** The first events of so many lives, each in its order. */
function incrementsAt(place: Place, wanted: number): Increment[] {
  const increments: Increment[] = [];
  for (let from = 0; increments.length < wanted; from += atOnce) {
    const group = Array.from({ length: atOnce }, (_, index) => memberAt(place, from + index));
    for (const event of wayOfMember) increments.push(...group.map((member) => increment(event, member)));
  }
  return increments.slice(0, wanted);
}

function memberAt({ clusterIds }: Place, number: number) {
  const clusterId = clusterIds[number % clusterIds.length] ?? '';
  const memberId = `${clusterId}00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
  return { memberId, clusterId, clusterInstanceId: `${clusterId.split('.')[0]}-1` };
}

/** The sample of the event, as the platform writes it, about another member. */
function increment(
  event: (typeof wayOfMember)[number],
  { memberId, clusterId, clusterInstanceId }: { memberId: string; clusterId: string; clusterInstanceId: string },
): Increment {
  return {
    topic: topicOf(event),
    text: JSON.stringify({ ...samples[event], serviceName: 'php', clusterId, clusterInstanceId, memberId }),
  };
}

function clusterIds(clusters: number): string[] {
  return Array.from({ length: clusters }, (_, number) => `a${number}.php.domain`);
}

const samples: Readonly<Record<string, object>> = Object.fromEntries(
  wayOfMember.map((event) => [
    event,
    JSON.parse(readFileSync(new URL(`../samples/${event}.json`, import.meta.url), 'utf8')),
  ]),
);
