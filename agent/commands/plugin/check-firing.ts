import { type HookName, isHookName } from '../../../plugins/contract.ts';
import { AgentError, reasonOf } from '../../../state/errors.ts';
import type { Runner } from '../../hooks/runners.ts';
import type { LoadedPlugin } from '../../plugins/load.ts';
import type { Instance } from '../../plugins/messages.ts';
import { pluginRunner } from '../../plugins/runner.ts';
import { defaultTiming } from '../../plugins/timing.ts';
import { type Finding, finding } from './finding.ts';
import { fire, inWords } from './fire.ts';
import type { Pretence } from './pretence.ts';
import { defaultSample, readSample, recordedSamples, type Sample } from './samples.ts';

type Firing = {
  readonly path: string;
  readonly name: string;
  readonly limitMs: number;
  readonly pretence: Pretence;
  readonly signal: AbortSignal;
};

/** Fires every sample at each hook twice: after a restart of the agent a hook may be run again. */
export async function fireAll(loaded: LoadedPlugin, firing: Firing): Promise<Finding[]> {
  const life = loaded.life();
  const facts = loaded.description()?.hooks ?? [];
  if (life === null) return [];
  const findings: Finding[] = [];
  for (const { hook, ...rest } of facts) {
    if (!isHookName(hook)) continue;
    for (const sample of await samplesFor(hook, firing.path, findings)) {
      const instance = (): Instance => ({ ...sample.instance, state: 'active' });
      const runner = pluginRunner({ ...rest, hook }, { name: firing.name, life, instance, clean: (text) => text });
      const crashes = life.crashes();
      // Whoever comes after a crash is not to pay for the start of a new worker.
      const limitMs = firing.limitMs + (life.state() === 'running' ? 0 : defaultTiming.startMs);
      const found = await fireTwice(runner, hook, sample, { ...firing, limitMs });
      findings.push(found, ...(life.crashes() > crashes && found.level !== 'error' ? [crashed(hook)] : []));
    }
  }
  return loaded.description()?.health === true ? [...findings, await askHealth(life, firing)] : findings;
}

/** The one that ships, and those of the author; one that is wrong is a finding. */
async function samplesFor(hook: HookName, path: string, findings: Finding[]): Promise<Sample[]> {
  const samples = [await defaultSample(hook)];
  for (const file of recordedSamples(path, hook)) {
    try {
      samples.push(await readSample(hook, file));
    } catch (thrown) {
      if (!(thrown instanceof AgentError)) throw thrown;
      findings.push({ ...finding('error', hook, thrown.message), remedy: thrown.remedy });
    }
  }
  return samples;
}

async function fireTwice(runner: Runner, hook: HookName, sample: Sample, firing: Firing): Promise<Finding> {
  const { limitMs, pretence, signal } = firing;
  const ask = (attempt: number) =>
    fire(runner, { hook, sample, attempt, limitMs: Math.min(runner.limits.timeoutMs ?? limitMs, limitMs), signal });
  const first = await ask(1);
  const programs = pretence.takePrograms();
  const second = first.asked.kind === 'failed' ? first : await ask(2);
  const durationMs = Math.max(first.durationMs, second.durationMs);
  const ran = programs.length === 0 ? '' : `; would run ${programs.join(', ')}`;
  pretence.takePrograms();
  const said = (text: string) => `sample ${sample.name}: ${text}${ran}`;
  const failed = [first, second]
    .map(({ asked }) => asked)
    .find(({ kind }) => kind === 'failed' || kind === 'cannotRun');
  if (failed === undefined) {
    const again = second.asked.kind === first.asked.kind ? '' : `, the second time ${inWords(second.asked)}`;
    return { ...finding('ok', hook, said(`${inWords(first.asked)}${again}`)), durationMs };
  }
  const when = failed === first.asked ? '' : 'the second time ';
  const text = said(`${when}${inWords(failed)}`);
  if (programs.length === 0) return { ...finding('error', hook, text), remedy: remedies.alone, durationMs };
  return { ...finding('warning', hook, text), remedy: remedies.withPrograms, durationMs };
}

const remedies = {
  alone: 'A hook may be run with any of its inputs, and again after a restart: correct it.',
  withPrograms:
    'No program is run here, and the empty answer may be why: plugin run does it for real, plugin test with your answers.',
  crash: 'It has ended its own worker: see what it does after its answer.',
  health: 'Return an object of finite numbers.',
} as const;

function crashed(hook: string): Finding {
  return { ...finding('error', hook, 'the plugin crashed'), remedy: remedies.crash };
}

async function askHealth(life: NonNullable<ReturnType<LoadedPlugin['life']>>, firing: Firing): Promise<Finding> {
  const { instance } = await defaultSample('instanceActivated');
  const document = [JSON.stringify({ instance: { ...instance, state: 'active' } })];
  const signal = AbortSignal.any([firing.signal, AbortSignal.timeout(firing.limitMs)]);
  const ended = await life.call(
    { what: 'health', name: 'health', document, attempt: 1 },
    { signal, whyAborted: () => 'the time limit is reached', attempt: 1, onStatus: () => {}, onExtend: () => {} },
  );
  const programs = firing.pretence.takePrograms();
  if ('value' in ended && isNumbers(ended.value)) return finding('ok', 'health', shownNumbers(ended.value));
  const text = 'failed' in ended ? `failed: ${reasonOf(ended.failed)}` : 'it returned no numbers';
  const remedy = programs.length === 0 ? remedies.health : remedies.withPrograms;
  return { ...finding(programs.length === 0 ? 'error' : 'warning', 'health', text), remedy };
}

function isNumbers(value: unknown): value is Record<string, number> {
  return typeof value === 'object' && value !== null && Object.values(value).every(Number.isFinite);
}

function shownNumbers(numbers: Record<string, number>): string {
  return (
    Object.entries(numbers)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ') || 'no numbers'
  );
}
