import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Plugin } from '../../../plugins/contract.ts';
import { describe } from '../../plugins/describe.ts';
import { provideModules } from '../../plugins/resolver.ts';
import type { InspectStart } from './inspect.ts';

// Loads the module of a plugin and tells what it is, so that neither its code nor its endless loops are in our thread.

const port = parentPort;
if (isMainThread || port === null) throw new Error('this file is a worker');

const { url, sections, given } = workerData as InspectStart;
provideModules();
try {
  const module: { default?: unknown } = await import(url);
  const name = nameOf(module.default);
  const options = { ...sections[name], ...given };
  const start = { plugin: name, url, options, hasMetadata: false, compileCache: null };
  const { plugin, complaints } = await describe(module.default, start);
  port.postMessage({ complaints, description: plugin === null ? null : await said(plugin) });
} catch (thrown) {
  port.postMessage({ broken: thrown instanceof Error ? wordsOf(thrown) : String(thrown) });
}

/** Whatever was exported; if it has no name, that is among the complaints. */
function nameOf(exported: unknown): string {
  const has = typeof exported === 'object' && exported !== null && 'name' in exported;
  return has && typeof exported.name === 'string' ? exported.name : 'NAME';
}

/** With the line, if Node tells it: first in the stack of what is not TypeScript, or where it was thrown. */
function wordsOf({ name, message, stack = '' }: Error): string {
  const [, place] =
    /^(?:file:\/\/)?(\/.+:\d+)\n/.exec(stack) ?? /at (?:.*\()?file:\/\/(\/[^\s)]+:\d+):\d+\)?$/m.exec(stack) ?? [];
  return `${name}: ${message}${place === undefined ? '' : ` (${place})`}`;
}

async function said(plugin: Plugin) {
  const { name, version = null, options, hooks = {} } = plugin;
  const { z } = await import('zod');
  return {
    name,
    version,
    hooks: Object.entries(hooks).flatMap(([hook, definition]) => (definition === undefined ? [] : [hook])),
    health: plugin.health !== undefined,
    takesOver: (['checkout', 'commit'] as const).filter((part) => plugin[part] !== undefined),
    options: options === undefined ? null : z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' }),
  };
}
