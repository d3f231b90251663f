import type { HealthReader, Statistics } from '../health/readers.ts';
import { PluginCallError } from './failures.ts';
import type { PluginLife } from './life.ts';
import type { Instance } from './messages.ts';

/** What a plugin measures; whoever asks checks it, for anything may come back. */
export function pluginHealth(plugin: {
  readonly name: string;
  readonly life: PluginLife;
  readonly instance: () => Instance;
}): HealthReader {
  const { name, life, instance } = plugin;
  return {
    name,
    async read(signal) {
      const document = [JSON.stringify({ instance: instance() })];
      const ended = await life.call(
        { what: 'health', name: 'health', document, attempt: 1 },
        { signal, whyAborted: () => 'not done in time', attempt: 1, onStatus: () => {}, onExtend: () => {} },
      );
      if ('failed' in ended) throw new PluginCallError(name, 'read health', ended.failed);
      return ended.value as Statistics;
    },
  };
}
