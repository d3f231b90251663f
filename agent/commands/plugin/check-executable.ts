import { dirname } from 'node:path';
import { AgentError } from '../../../state/errors.ts';
import { inspectExecutable, isNumbered } from '../../hooks/executables.ts';
import type { Checked, Finding } from './finding.ts';
import type { Located } from './locate.ts';
import { readSample, recordedSamples, straySamples } from './samples.ts';

type LocatedExecutable = Extract<Located, { kind: 'executable' }>;

/** Looks at an executable and its samples, without running it: nobody knows what it does. */
export async function checkExecutable({ executable, hook }: LocatedExecutable): Promise<Checked> {
  const { name, path, isStratos } = executable;
  const findings: Finding[] = [await attempt('runs', 'it can be run as it is', () => inspectExecutable(path))];
  const file = path.slice(dirname(path).length + 1);
  if (hook === null) {
    const remedy = 'Put it into a folder called as its hook: drain/50-wait.';
    findings.push({ level: 'error', about: 'hook', text: 'its path names no hook', remedy, durationMs: null });
  } else if (!isStratos && !isNumbered(file)) {
    const remedy = 'Call it <number>-<name>, such as 50-warm.';
    findings.push({ level: 'error', about: 'name', text: `${file} would not be run`, remedy, durationMs: null });
  } else {
    findings.push({ level: 'ok', about: 'hook', text: hook, remedy: null, durationMs: null });
  }
  if (hook !== null) {
    const folder = isStratos ? dirname(path) : dirname(dirname(path));
    for (const sample of recordedSamples(folder, hook)) {
      findings.push(await attempt('sample', sample, () => readSample(hook, sample)));
    }
    findings.push(...straySamples(folder));
  }
  return { kind: 'executable', name, version: null, path, findings };
}

async function attempt(about: string, text: string, work: () => Promise<unknown>): Promise<Finding> {
  try {
    await work();
    return { level: 'ok', about, text, remedy: null, durationMs: null };
  } catch (thrown) {
    if (!(thrown instanceof AgentError)) throw thrown;
    return { level: 'error', about, text: thrown.message, remedy: thrown.remedy, durationMs: null };
  }
}
