import { setTimeout as pause, setInterval } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Platform } from '../../agent/demo/platform.ts';
import { shop } from '../../agent/demo/story.ts';
import '../support/runtime.ts';
import { judge, rowOf, type Sample, tableHead, takeSample } from './samples.ts';
import { openStage, type Stage } from './stage.ts';

const eventsPerSecond = 60;
const cutEveryMs = 20_000;
const commitEveryMs = 15_000;
const sampleEveryMs = 10_000;
/** So long nothing is said before a sample is taken. */
const calmMs = 1_000;
const usage = 'usage: npm run soak -- [--minutes N]\n';

const minutes = readMinutes(process.argv.slice(2));
if (minutes === null) process.stderr.write(usage);
process.exitCode = minutes === null ? 2 : await soak(minutes * 60_000);

/**
 * An active agent for a long time: the topology changes 60 times a second, a commit comes every 15 s, the link is cut every
 * 20 s. Exit code 1 if its memory, its handles or its journal grow, or if it does not live through it.
 */
async function soak(durationMs: number): Promise<number> {
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort(new Error(name)));
  await using stage = await openStage(interrupted.signal);
  const over = AbortSignal.any([interrupted.signal, AbortSignal.timeout(durationMs)]);
  const counts = countLines(stage);
  const traffic = { isCalm: false, events: 0 };
  const samples: Sample[] = [];

  process.stdout.write(`${tableHead}\n`);
  const works = [
    talk(stage.platform, traffic, over),
    every(cutEveryMs, () => stage.proxy.cut(), over),
    every(commitEveryMs, () => update(stage), over),
    watch(stage, traffic, samples, over),
  ];
  const died = stage.agent.exited.then((code) => {
    throw new Error(`the agent has ended with exit code ${code}:\n${stage.agent.lastLines.join('\n')}`);
  });
  await Promise.race([Promise.all(works), died]);

  const { isFlat, reasons } = judge(samples);
  const done = { events: traffic.events, ...counts };
  process.stdout.write(
    `${Object.entries(done)
      .map(([what, count]) => `${what} ${count}`)
      .join(', ')}\n`,
  );
  process.stdout.write(isFlat ? 'flat\n' : `not flat: ${reasons.join('; ')}\n`);
  const isWhole = counts.connections > Math.floor(durationMs / cutEveryMs) - 1 && counts.deployments > 0;
  if (!isWhole) process.stdout.write('the agent did not live through it: too few connections or deployments\n');
  return isFlat && isWhole ? 0 : 1;
}

/** Members of the cluster we depend on come and go, 60 events a second, twenty lives side by side at most. */
async function talk(
  platform: Platform,
  traffic: { isCalm: boolean; events: number },
  signal: AbortSignal,
): Promise<void> {
  const { dependencyClusterId: clusterId } = shop;
  const living: string[] = [];
  let number = 0;
  await every(
    3_000 / eventsPerSecond,
    async () => {
      if (traffic.isCalm) return;
      number += 1;
      const memberId = `${clusterId}soak-${number}`;
      living.push(memberId);
      await platform.createMember({ memberId, clusterId });
      await platform.initializeMember(memberId);
      const oldest = living.length > 20 ? living.shift() : undefined;
      if (oldest !== undefined) await platform.terminateMember(oldest);
      traffic.events += oldest === undefined ? 2 : 3;
    },
    signal,
  );
}

async function update({ platform, repository }: Stage): Promise<void> {
  await repository.commit({ 'index.html': new Date().toISOString() });
  await platform.artifactUpdated();
}

async function watch(
  { agent, journal }: Stage,
  traffic: { isCalm: boolean },
  samples: Sample[],
  signal: AbortSignal,
): Promise<void> {
  const sinceMs = performance.now();
  const take = async () => {
    traffic.isCalm = true;
    await pause(calmMs, undefined, { signal });
    const sample = takeSample({ pid: agent.pid, journal }, (performance.now() - sinceMs) / 1_000);
    traffic.isCalm = false;
    samples.push(sample);
    process.stdout.write(`${rowOf(sample)}\n`);
  };
  await every(sampleEveryMs, take, signal);
}

/** Until the signal is aborted; the next time is not before this one is done. */
async function every(intervalMs: number, work: () => unknown, signal: AbortSignal): Promise<void> {
  try {
    for await (const _ of setInterval(intervalMs, undefined, { signal })) await work();
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}

function countLines({ agent }: Stage) {
  const counts = { connections: 1, deployments: 0, warnings: 0, errors: 0 };
  agent.onLine(({ event, level }) => {
    if (event === 'broker.connected') counts.connections += 1;
    if (event === 'artifact.placed') counts.deployments += 1;
    if (level === 'warn') counts.warnings += 1;
    if (level === 'error') counts.errors += 1;
  });
  return counts;
}

function readMinutes(args: string[]): number | null {
  try {
    const { values } = parseArgs({ args, options: { minutes: { type: 'string', default: '10' } } });
    const asked = Number(values.minutes);
    return asked > 0 ? asked : null;
  } catch {
    return null;
  }
}
