import type { HookName } from '../../plugins/contract.ts';
import { failure, type Log } from '../log.ts';
import { type Executable, findExecutables, HookFolderError } from './executables.ts';
import { type HookOrderError, orderRunners } from './order.ts';
import type { Runner, RunnerSource } from './runners.ts';

/** What is to be run for a hook, in its order. */
export type Found = {
  readonly runners: readonly Runner[];
  /** The executables could not be looked for, or the order is not the wanted one. */
  readonly error: HookFolderError | HookOrderError | null;
};

export type Lookup = {
  /** Whether there is anything to run, or to complain about. */
  has(name: HookName): boolean;
  find(name: HookName): Found;
};

/** Looks for executables afresh each time, for operators add some, and merges them with what plugins have. */
export function createLookup(options: {
  readonly extensionsDir: string;
  readonly plugins?: RunnerSource;
  readonly runnerOf: (executable: Executable) => Runner;
  readonly log: Log;
}): Lookup {
  const { extensionsDir, plugins, runnerOf, log } = options;
  const told = new Set<string>();
  return { has, find };

  function has(name: HookName): boolean {
    if ((plugins?.runnersFor(name) ?? []).length > 0) return true;
    try {
      const found = findExecutables(extensionsDir, name);
      return found.executables.length + found.misnamed.length > 0;
    } catch {
      return true;
    }
  }

  function find(name: HookName): Found {
    const hooked = plugins?.runnersFor(name) ?? [];
    const executables = executablesOf(name);
    if (executables instanceof HookFolderError)
      return { runners: orderRunners(name, hooked).runners, error: executables };
    const { runners, error } = orderRunners(name, [...hooked, ...executables.map(runnerOf)]);
    if (error !== null && isNew(error.message)) {
      log.error({ event: 'hook.disordered', hook: name, ...failure(error) }, 'hooks run in the order of their numbers');
    }
    return { runners, error };
  }

  function executablesOf(name: HookName): Executable[] | HookFolderError {
    try {
      const { executables, misnamed } = findExecutables(extensionsDir, name);
      for (const file of misnamed.filter(isNew)) {
        const remedy = 'Name it <number>-<name>, such as 50-warm, or remove it.';
        const fields = { event: 'hook.misnamed', hook: name, file, remedy };
        log.warn(fields, 'file is not run: its name is not that of a hook');
      }
      return executables;
    } catch (thrown) {
      if (thrown instanceof HookFolderError) return thrown;
      throw thrown;
    }
  }

  function isNew(text: string): boolean {
    return !told.has(text) && told.add(text).has(text);
  }
}
