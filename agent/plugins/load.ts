import { reasonOf } from '../../state/errors.ts';
import type { Log } from '../log.ts';
import type { FoundPlugin } from './discover.ts';
import { PluginBrokenError, type PluginError, PluginInvalidError, PluginUnendableError } from './failures.ts';
import { createPluginLife, type PluginLife } from './life.ts';
import type { Description } from './messages.ts';
import { type PluginThread, startThread, type ThreadOptions } from './thread.ts';
import type { HostTiming } from './timing.ts';

/** A plugin that was found, on its way to be used. */
export type LoadedPlugin = {
  readonly found: FoundPlugin;
  /** Resolves when it has said what it is, or failed to. */
  readonly settled: Promise<void>;
  /** Null: nothing of it can be used, not yet or for good. */
  description(): Description | null;
  life(): PluginLife | null;
  close(reason: string): Promise<void>;
};

/** Starts the worker of a plugin, and has it say what it is; before any function of the plugin is called. Never throws. */
export function loadPlugin(
  found: FoundPlugin,
  options: {
    readonly section: ReadonlyMap<string, string>;
    readonly hasMetadata: boolean;
    readonly onProblem: (problem: PluginError) => void;
    readonly timing: HostTiming;
    readonly log: Log;
  } & Omit<ThreadOptions, 'start' | 'onUnendable'>,
): LoadedPlugin {
  const { section, hasMetadata, onProblem, timing, log } = options;
  const start = { plugin: found.name, url: found.url, options: Object.fromEntries(section), hasMetadata };
  const onUnendable = () => onProblem(new PluginUnendableError(found.name));
  const startAgain = () => startThread({ ...options, start, onUnendable });
  let description: Description | null = null;
  let life: PluginLife | null = null;
  const first = startAgain();
  const settled = settle(first).catch(async (thrown: unknown) => {
    onProblem(new PluginBrokenError(found.name, reasonOf(thrown), { path: found.path }));
    await first.end(reasonOf(thrown));
  });

  return {
    found,
    settled,
    description: () => description,
    life: () => life,
    close: (reason) => (life === null ? first.end(reason) : life.close(reason)),
  };

  async function settle(thread: PluginThread): Promise<void> {
    const startedAt = performance.now();
    const said = await thread.described;
    for (const complaint of said.complaints) {
      onProblem(new PluginInvalidError(found.name, { ...complaint, path: found.path }));
    }
    if (said.complaints.length > 0) return await thread.end('it is not used');
    description = said.description;
    life = createPluginLife({ found, first: thread, startAgain, timing, onOff: onProblem, log });
    const startMs = Math.round(performance.now() - startedAt);
    log.info({ event: 'plugin.loaded', path: found.path, version: description.version, startMs }, 'plugin loaded');
  }
}
