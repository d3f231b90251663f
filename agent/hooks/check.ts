import { constants, type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type HookName, hooks } from '../../plugins/contract.ts';
import { nearestOf } from '../../state/config/nearest.ts';
import { AgentError } from '../../state/errors.ts';
import {
  findExecutables,
  HookFolderError,
  HookUnusableError,
  inspectExecutable,
  isNumbered,
  placeOf,
} from './executables.ts';
import { type HookOrderError, orderRunners, unknownNames } from './order.ts';
import type { Ordered, RunnerSource } from './runners.ts';

/** Something in `extensions.dir` looks like a hook, and has a name no hook has. */
export class HookNameError extends AgentError {
  override readonly name = 'HookNameError';
  readonly code = 'HOOK_NAME_UNKNOWN';
  readonly remedy = 'Give it the name of a hook as plugins/README.md has it, or remove it: it is never run.';

  /** @param unknown - `nearest` null: no hook has a similar name */
  constructor(folder: string, unknown: readonly { readonly name: string; readonly nearest: string | null }[]) {
    const words = unknown.map(({ name, nearest }) => (nearest === null ? name : `${name} (did you mean ${nearest}?)`));
    super(`cannot tell which hook is meant in ${folder}: ${words.join(', ')}`, { facts: { folder, unknown } });
  }
}

/** A file in the folder of a hook has a name that says nothing of its place there. */
export class HookFileNameError extends AgentError {
  override readonly name = 'HookFileNameError';
  readonly code = 'HOOK_FILE_MISNAMED';
  readonly remedy = 'Name it <number>-<name>, such as 50-warm, or remove it: it is never run.';

  constructor(folder: string, file: string) {
    super(`cannot run ${file}: its name is not that of an executable of a hook`, { facts: { folder, file } });
  }
}

/** A plugin is to be run before or after what there is not. */
export class HookNeighbourError extends AgentError {
  override readonly name = 'HookNeighbourError';
  readonly code = 'HOOK_NEIGHBOUR_UNKNOWN';
  readonly remedy =
    'Name plugins, and executables such as 90-warm, that are run for the same hook; the rest is ignored.';

  constructor(runner: string, unknown: string) {
    super(`cannot run ${runner} before or after ${unknown}: there is none`, { facts: { runner, unknown } });
  }
}

type Checked = { readonly extensionsDir: string; readonly plugins?: RunnerSource };

/**
 * Looks for what is wrong with hooks before any of them is run: for the log at start, for `plugin list` and a doctor.
 * Never throws.
 */
export async function checkHooks(options: Checked): Promise<AgentError[]> {
  const names = Object.keys(hooks) as HookName[];
  const found = await Promise.all(names.map((name) => checkHook(name, options)));
  return [...unknownIn(options.extensionsDir), ...found.flat()];
}

/** The hooks whose runners want to be before each other: all of them at once, for an error at start. */
export function orderProblems(options: Checked): HookOrderError[] {
  return (Object.keys(hooks) as HookName[]).flatMap((name) => {
    const { error } = orderRunners(name, runnersOf(name, options));
    return error === null ? [] : [error];
  });
}

async function checkHook(name: HookName, options: Checked): Promise<AgentError[]> {
  const found = filesOf(name, options.extensionsDir);
  if (found instanceof HookFolderError) return [found];
  const { executables, misnamed } = found;
  const unusable = await Promise.all(executables.map(({ path }) => inspectExecutable(path).then(() => [], asProblem)));
  const runners = runnersOf(name, options);
  const { error } = orderRunners(name, runners);
  const neighbours = unknownNames(runners, options.plugins?.optional).map(
    ({ runner, unknown }) => new HookNeighbourError(runner, unknown),
  );
  const unplaced = misnamed.map((file) => new HookFileNameError(options.extensionsDir, file));
  return [...unusable.flat(), ...unplaced, ...(error === null ? [] : [error]), ...neighbours];
}

function runnersOf(name: HookName, { extensionsDir, plugins }: Checked): Ordered[] {
  const files = filesOf(name, extensionsDir);
  const found = files instanceof HookFolderError ? [] : files.executables.map(placeOf);
  return [...(plugins?.runnersFor(name) ?? []), ...found];
}

function filesOf(name: HookName, folder: string): ReturnType<typeof findExecutables> | HookFolderError {
  try {
    return findExecutables(folder, name);
  } catch (thrown) {
    if (thrown instanceof HookFolderError) return thrown;
    throw thrown;
  }
}

/** @throws what is none */
function asProblem(thrown: unknown): AgentError[] {
  if (thrown instanceof HookUnusableError) return [thrown];
  throw thrown;
}

/** What is beside hooks for their use, such as a `lib` folder, is nobody's business: only what may be meant as one is named. */
function unknownIn(folder: string): HookNameError[] {
  const folders = Object.keys(hooks);
  const scripts = Object.values(hooks).flatMap(({ script }) => (script === null ? [] : [`${script}.sh`]));
  const unknown = entriesOf(folder).flatMap((entry) => {
    const { name } = entry;
    if (name.startsWith('.') || folders.includes(name) || scripts.includes(name)) return [];
    const nearest = nearestOf(name, entry.isDirectory() ? folders : scripts);
    if (nearest === null && !looksLikeHook(join(folder, name), entry)) return [];
    return [entry.isDirectory() ? { name: `${name}/`, nearest: nearest && `${nearest}/` } : { name, nearest }];
  });
  return unknown.length === 0 ? [] : [new HookNameError(folder, unknown)];
}

/** A folder with numbered files in it; an executable script, for one that is sourced need not be executable. */
function looksLikeHook(path: string, entry: Dirent): boolean {
  if (entry.isDirectory()) return entriesOf(path).some(({ name }) => isNumbered(name));
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return entry.name.endsWith('.sh') && (mode & constants.S_IXUSR) !== 0;
}

/** None if it cannot be read: who runs a hook is told so. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((one, other) => (one.name < other.name ? -1 : 1));
  } catch {
    return [];
  }
}
