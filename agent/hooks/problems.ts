import { setTimeout } from 'node:timers/promises';
import type { AgentError } from '../../state/errors.ts';
import { failure, type Log } from '../log.ts';
import { HookFileNameError, HookNameError, HookNeighbourError } from './check.ts';

const againMs = 30_000;

/** Whether it is only something that will not be run, and was perhaps not meant to be. */
export function isHarmless(problem: AgentError): boolean {
  return [HookNameError, HookFileNameError, HookNeighbourError].some((kind) => problem instanceof kind);
}

/**
 * Looks for what is wrong with what is there to be run: at once, and then as long as there is something, until it is mended.
 *
 * @param options - `onFound`: told of all that is wrong, whenever that has changed
 * @returns what is wrong at first
 */
export async function watchProblems(options: {
  check: () => Promise<readonly AgentError[]>;
  onFound: (problems: readonly AgentError[]) => void;
  againMs?: number;
  log: Log;
  signal: AbortSignal;
}): Promise<readonly AgentError[]> {
  const { check, log, signal } = options;
  const first = await check();
  if (first.length > 0 && !signal.aborted) {
    tell(first);
    void lookAgain(first);
  }
  return first;

  async function lookAgain(known: readonly AgentError[]): Promise<void> {
    let told = known;
    while (told.length > 0) {
      await setTimeout(options.againMs ?? againMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      const found = await check();
      if (textOf(found) === textOf(told)) continue;
      const before = new Set(told.map(({ message }) => message));
      tell(found, ({ message }) => !before.has(message));
      told = found;
    }
  }

  function tell(problems: readonly AgentError[], isNews: (problem: AgentError) => boolean = () => true): void {
    for (const problem of problems.filter(isNews)) {
      const fields = { event: 'hook.problem', ...failure(problem) };
      if (isHarmless(problem)) log.warn(fields, 'hook will not be run as it is meant');
      else log.error(fields, 'hook cannot be run as it is');
    }
    options.onFound(problems);
  }
}

function textOf(problems: readonly AgentError[]): string {
  return problems.map(({ message }) => message).join('\n');
}
