import { type HookName, hooks, isHookName } from '../../../plugins/contract.ts';
import type { Kind } from '../../../state/config/kinds.ts';
import { nearestOf } from '../../../state/config/nearest.ts';
import { AgentError } from '../../../state/errors.ts';

/** The command line asks for something there is not. */
export class PluginUsageError extends AgentError {
  override readonly name = 'PluginUsageError';
  readonly code = 'PLUGIN_USAGE';
  readonly remedy = 'See cartridge-agent plugin --help.';
}

/** @throws {@link PluginUsageError} unless there is exactly one word, `what` */
export function oneWord(positionals: readonly string[], what: string): string {
  const [word, ...rest] = positionals;
  if (word === undefined) throw new PluginUsageError(`cannot go on without ${what}`);
  if (rest.length > 0) throw new PluginUsageError(`cannot use more than ${what}: ${rest.join(' ')}`);
  return word;
}

/** @throws {@link PluginUsageError} */
export function hookNamed(word: string): HookName {
  if (isHookName(word)) return word;
  const names = Object.keys(hooks);
  const nearest = nearestOf(word, names);
  const meant = nearest === null ? `; there are ${names.join(', ')}` : `: did you mean ${nearest}?`;
  throw new PluginUsageError(`cannot use ${JSON.stringify(word)}, it is no hook${meant}`);
}

/** `KEY=VALUE`, the value as agent.conf has it. @throws {@link PluginUsageError} */
export function optionsIn(words: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    words.map((word) => {
      const [key = '', value] = word.split(/=(.*)/s);
      // Not quoted: it may be a password.
      if (key === '' || value === undefined) throw new PluginUsageError('cannot use --option: write KEY=VALUE');
      return [key.trim(), value.trim()];
    }),
  );
}

/** @throws {@link PluginUsageError} */
export function read<T>(option: string, text: string, kind: Kind<T>): T {
  const reading = kind.read(text);
  if ('value' in reading) return reading.value;
  throw new PluginUsageError(`cannot use ${option}: ${reading.wrong}; write ${kind.form}`);
}
