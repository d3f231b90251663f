import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  type HookInput,
  type HookInputs,
  type HookInstance,
  type HookName,
  hookInputProblems,
  hooks,
  isHookName,
  sampleDocument,
} from '../../../plugins/contract.ts';
import { nearestOf } from '../../../state/config/nearest.ts';
import { AgentError, reasonOf } from '../../../state/errors.ts';
import { Secret } from '../../../state/secret.ts';
import { type Finding, finding } from './finding.ts';

/** What a hook is tried with: the document an executable reads, `instance` and the input beside it. */
export type Sample = {
  /** `default`, or the name of its file. */
  readonly name: string;
  readonly instance: HookInstance;
  readonly input: object;
};

/** A sample is not what a hook is ever told. */
export class SampleInvalidError extends AgentError {
  override readonly name = 'SampleInvalidError';
  readonly code = 'SAMPLE_INVALID';
  readonly remedy = 'Correct it: plugins/README.md has the fields of every hook, and plugin new writes a sample.';

  constructor(path: string, problems: readonly string[]) {
    super(`cannot use ${path}: ${problems.join('; ')}`, { facts: { path, problems } });
  }
}

/** The one that ships. */
export async function defaultSample(hook: HookName): Promise<Sample> {
  const { instance, ...input } = await sampleDocument(hook);
  return { name: 'default', instance, input };
}

/** @throws {@link SampleInvalidError} */
export async function readSample(hook: HookName, path: string): Promise<Sample> {
  const document = parse(path);
  const problems = await hookInputProblems(hook, document);
  if (problems.length > 0) throw new SampleInvalidError(path, problems);
  const { instance, ...input } = document as { readonly instance: HookInstance };
  return { name: basename(path), instance, input };
}

/** What an author has recorded for a hook: `samples/artifactUpdated.json`, `samples/artifactUpdated.first.json`. */
export function recordedSamples(folder: string, hook: HookName): string[] {
  return samplesIn(folder)
    .filter((file) => hookIn(file) === hook)
    .map((file) => join(folder, 'samples', file));
}

/** One finding for each file that is called as if it were a sample, and is none of any hook. */
export function straySamples(folder: string): Finding[] {
  return samplesIn(folder)
    .filter((file) => !isHookName(hookIn(file)))
    .map((file) => {
      const nearest = nearestOf(hookIn(file), Object.keys(hooks));
      const meant = nearest === null ? '' : `, did you mean ${nearest}?`;
      const text = `samples/${file} is not used: it names no hook${meant}`;
      const remedy = `Call it as its hook, such as ${nearest ?? 'artifactUpdated'}.json or ${nearest ?? 'artifactUpdated'}.first.json.`;
      return { ...finding('warning', 'samples', text), remedy };
    });
}

/** The sample as the agent has it: documents are text, secrets are closed. */
export function insideInput<Name extends HookName>(hook: Name, { input }: Sample): HookInputs[Name] {
  return inside(hook, input as HookInput<HookName>) as HookInputs[Name];
}

function inside(hook: HookName, input: object): object {
  if (hook === 'completeTopology' || hook === 'completeTenant') {
    return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, JSON.stringify(value)]));
  }
  if (!('event' in input) || typeof input.event !== 'object' || input.event === null) return input;
  const hasPassword = 'repoPassword' in input.event;
  return { ...input, event: { ...input.event, ...(hasPassword && { repoPassword: new Secret('a sample') }) } };
}

function samplesIn(folder: string): string[] {
  try {
    const files = readdirSync(join(folder, 'samples')).sort();
    return files.filter((file) => file.endsWith('.json'));
  } catch {
    return []; // there are none
  }
}

/** What is before the first dot, whether there is such a hook or not. */
function hookIn(file: string): string {
  return file.slice(0, file.indexOf('.'));
}

function parse(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new SampleInvalidError(path, [reasonOf(cause)]);
  }
}
