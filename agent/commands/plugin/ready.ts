import { AgentError, reasonOf } from '../../../state/errors.ts';
import { inspectModule, type Sections } from './inspect.ts';
import { alone, findIn, sectionOf } from './locate.ts';

/** Where there is no agent.conf yet. */
export const optionsHere = 'Here, write --option KEY=VALUE, or name an agent.conf with --conf FILE.';

/** A plugin the agent would take. */
export type ReadyPlugin = {
  /** What it calls itself. */
  readonly name: string;
  readonly path: string;
  readonly section: ReadonlyMap<string, string>;
  readonly hooks: readonly string[];
};

/** The agent would not take it. */
export class PluginNotReadyError extends AgentError {
  override readonly name = 'PluginNotReadyError';
  readonly code = 'PLUGIN_NOT_READY';
  readonly remedy: string;

  constructor(path: string, complaints: readonly { text: string; remedy: string }[]) {
    const texts = complaints.map(({ text }) => text);
    super(`cannot use ${path}: ${texts.join('; ')}`, { facts: { path, complaints: texts } });
    this.remedy = [...new Set(complaints.map(({ remedy }) => remedy))].join(' ');
  }
}

const limitMs = 10_000;

/**
 * Looks at a plugin, with its options, as the agent would before it calls anything of it.
 *
 * @throws {@link PluginNotReadyError}, PluginError - it is not one, or not to be trusted
 */
export async function readyPlugin(
  path: string,
  { sections, env }: { sections: Sections; env: Readonly<NodeJS.ProcessEnv> },
): Promise<ReadyPlugin> {
  await using folder = await alone(path);
  const { url } = findIn(folder);
  const { complaints, description } = await inspectModule(url, { env, limitMs, sections }).catch((cause: unknown) => {
    throw new PluginNotReadyError(path, [{ text: reasonOf(cause), remedy: 'Correct the module.' }]);
  });
  if (description === null) throw new PluginNotReadyError(path, complaints);
  if (complaints.length > 0) {
    const told = complaints.map(({ text, remedy }) => ({ text, remedy: `${remedy} ${optionsHere}` }));
    throw new PluginNotReadyError(path, told);
  }
  const { name, hooks } = description;
  return { name, path, hooks, section: sectionOf(name, sections) };
}
