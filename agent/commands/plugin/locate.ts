import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { type HookName, hooks, isHookName } from '../../../plugins/contract.ts';
import { parseConf } from '../../../state/config/ini.ts';
import { AgentError } from '../../../state/errors.ts';
import type { Executable } from '../../hooks/executables.ts';
import { stratosNumber } from '../../hooks/runners.ts';
import { type FoundPlugin, findPlugins } from '../../plugins/discover.ts';
import type { Sections } from './inspect.ts';
import { optionsIn, PluginUsageError } from './words.ts';

/** What an author's path leads to. */
export type Located =
  | { readonly kind: 'plugin'; readonly path: string }
  | { readonly kind: 'executable'; readonly executable: Executable; readonly hook: HookName | null };

/** There is nothing to be tried. */
export class PluginNotThereError extends AgentError {
  override readonly name = 'PluginNotThereError';
  readonly code = 'PLUGIN_NOT_THERE';
  readonly remedy = 'Name NAME.ts, NAME.js, a folder with a package.json, or an executable such as drain/50-wait.';
}

/** @throws {@link PluginNotThereError} */
export function locate(word: string): Located {
  const path = resolve(word);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new PluginNotThereError(`cannot find ${path}`);
  if (found.isDirectory()) {
    if (existsSync(join(path, 'package.json'))) return { kind: 'plugin', path };
    throw new PluginNotThereError(`cannot try ${path}: it has no package.json`);
  }
  if (!/\.(ts|js)$/.test(path)) return { kind: 'executable', ...executableAt(path) };
  // The module a folder is for stands for the folder: its name is that of the plugin.
  const isIndex = /^index\.(ts|js)$/.test(basename(path)) && existsSync(join(dirname(path), 'package.json'));
  return { kind: 'plugin', path: isIndex ? dirname(path) : path };
}

/** A folder of plugins with one in it, such as the host wants it. */
export type Alone = AsyncDisposable & { readonly pluginsDir: string };

/** @param name - what it is to be called there */
export async function alone(path: string, name = harmlessName(path)): Promise<Alone> {
  const pluginsDir = await mkdtemp(join(tmpdir(), 'cartridge-agent-plugin-'));
  const suffix = /\.(ts|js)$/.exec(path)?.[0] ?? '';
  await symlink(path, join(pluginsDir, `${name}${suffix}`));
  return { pluginsDir, [Symbol.asyncDispose]: () => rm(pluginsDir, { recursive: true, force: true }) };
}

/** @throws PluginError - it is not one, or not to be trusted */
export function findIn({ pluginsDir }: Alone): FoundPlugin {
  const { found, problems, others } = findPlugins(pluginsDir);
  const [plugin] = found;
  if (plugin !== undefined) return plugin;
  throw (
    problems[0] ?? new PluginNotThereError(`cannot use ${others[0] ?? pluginsDir}: its name is not that of a plugin`)
  );
}

/** Before the plugin has said its name, that of its path is as good, if it could be one. */
function harmlessName(path: string): string {
  const name = nameOf(path);
  return /^[a-z0-9][a-z0-9_-]*$/i.test(name) ? name : 'plugin';
}

/** By its path: `php-server`. */
export function nameOf(path: string): string {
  return basename(path).replace(/\.(ts|js)$/, '');
}

/**
 * What agent.conf says of plugins, and the command line instead.
 *
 * @throws {@link PluginUsageError}
 */
export function sectionsIn({ conf, option }: { conf?: string | undefined; option: readonly string[] }): Sections {
  const written = conf === undefined ? [] : [...parseConf(readConf(conf), conf).plugins];
  const sections = written.map(([name, entries]) => {
    return [name, Object.fromEntries(entries.map(({ key, value }) => [key, value]))] as const;
  });
  return { sections: Object.fromEntries(sections), given: Object.fromEntries(optionsIn(option)) };
}

/** Of the plugin with that name. */
export function sectionOf(name: string, { sections, given }: Sections): ReadonlyMap<string, string> {
  return new Map(Object.entries({ ...sections[name], ...given }));
}

function readConf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PluginUsageError(`cannot read --conf ${file}`, { cause });
  }
}

/** Which hook it is for is in its path, as in extensions.dir. */
function executableAt(path: string): { executable: Executable; hook: HookName | null } {
  const file = basename(path);
  const folder = basename(dirname(path));
  const stratos = Object.entries(hooks).find(([, { script }]) => script !== null && file === `${script}.sh`)?.[0];
  if (stratos !== undefined && !isHookName(folder)) {
    const executable = { name: file, path, number: stratosNumber, isStratos: true };
    return { executable, hook: isHookName(stratos) ? stratos : null };
  }
  const hook = isHookName(folder) ? folder : null;
  const name = hook === null ? file : `${hook}/${file}`;
  return { executable: { name, path, number: Number.parseInt(file, 10) || 0, isStratos: false }, hook };
}
