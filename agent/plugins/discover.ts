import { constants, existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { reasonOf } from '../../state/errors.ts';
import {
  PluginBrokenError,
  PluginConflictError,
  type PluginError,
  PluginFolderError,
  PluginRefusedError,
} from './failures.ts';

/** A plugin that is there to be loaded. */
export type FoundPlugin = {
  readonly name: string;
  /** As found: the file, or the folder. */
  readonly path: string;
  /** Of the module. */
  readonly url: string;
  /** Where it works. */
  readonly folder: string;
  /** One of ours. */
  readonly isShipped: boolean;
};

export type Discovery = {
  /** By name. */
  readonly found: readonly FoundPlugin[];
  readonly problems: readonly PluginError[];
  /** Names of what is in the folder and no plugin. */
  readonly others: readonly string[];
};

/** What belongs to a folder of JavaScript, and is no plugin. */
const companions = ['node_modules', 'package.json', 'package-lock.json', 'tsconfig.json', 'README.md'];
/** Who may write to a folder with it, may not remove or rename what others have there. @see chmod(1) */
const stickyBit = 0o1000;
const pluginName = /^[a-z0-9][a-z0-9_-]*$/i;

/**
 * Looks for plugins, without loading any: `NAME.ts`, `NAME.js`, or a folder with a package.json. One that everybody may
 * change, or everybody may replace, is refused: whoever writes it would run as the agent.
 *
 * @see plugins.md, "A plugin in TypeScript"
 */
export function findPlugins(pluginsDir: string): Discovery {
  const problems: PluginError[] = [];
  const entries = readFolder(pluginsDir, problems).filter((entry) => !companions.includes(entry));
  const candidates = entries.flatMap((entry) => candidateOf(pluginsDir, entry) ?? []);
  const others = entries.filter((entry) => !candidates.some(({ path }) => path === join(pluginsDir, entry)));
  if (candidates.length > 0 && isWorldWritable(pluginsDir)) {
    return { found: [], problems: [...problems, new PluginRefusedError(null, pluginsDir)], others };
  }
  const found: FoundPlugin[] = [];
  for (const [name, same] of Map.groupBy(candidates, (candidate) => candidate.name)) {
    const [first] = same;
    if (same.length > 1)
      problems.push(
        new PluginConflictError(
          `called ${name}`,
          same.map(({ path }) => path),
        ),
      );
    else if (first !== undefined) inspect(first, problems, found);
  }
  return { found, problems, others };
}

/** The plugins that ship, in the order of their names. They are as trustworthy as we are. */
export function shippedPlugins(folder: string): FoundPlugin[] {
  return readFolder(folder, []).flatMap((name) => {
    const file = ['index.ts', 'index.js'].map((index) => join(folder, name, index)).find((path) => existsSync(path));
    if (file === undefined) return [];
    return [{ name, path: join(folder, name), url: pathToFileURL(file).href, folder: dirname(file), isShipped: true }];
  });
}

type Candidate = { readonly name: string; readonly path: string };

function readFolder(path: string, problems: PluginError[]): string[] {
  try {
    return readdirSync(path)
      .filter((entry) => !entry.startsWith('.'))
      .sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') problems.push(new PluginFolderError(path, { cause }));
    return [];
  }
}

/** By its name, so that a broken one is known, too. */
function candidateOf(pluginsDir: string, entry: string): Candidate | null {
  const path = join(pluginsDir, entry);
  const name = entry.replace(/\.(ts|js)$/, '');
  if (!pluginName.test(name)) return null;
  if (name !== entry) return { name, path };
  return existsSync(join(path, 'package.json')) ? { name, path } : null;
}

function inspect({ name, path }: Candidate, problems: PluginError[], found: FoundPlugin[]): void {
  try {
    const isFolder = statSync(path).isDirectory();
    const file = realpathSync(isFolder ? entryOf(path) : path);
    const top = isFolder ? realpathSync(path) : file;
    const writable = trustPath(top, file).find((one) => isWorldWritable(one) && !isKeptIn(one, top));
    if (writable !== undefined) problems.push(new PluginRefusedError(name, writable));
    else found.push({ name, path, url: pathToFileURL(file).href, folder: dirname(file), isShipped: false });
  } catch (cause) {
    problems.push(new PluginBrokenError(name, reasonOf(cause), { path, cause }));
  }
}

/** What a package.json names, or its index. */
function entryOf(folder: string): string {
  const { exports, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const root = exports?.['.'] ?? exports;
  const named = [root, root?.import, root?.default, root?.import?.default, main].find((one) => typeof one === 'string');
  if (named !== undefined) return join(folder, named);
  const index = ['index.ts', 'index.js'].map((name) => join(folder, name)).find((path) => existsSync(path));
  if (index === undefined) throw new Error('its package.json names no module, and there is no index.ts or index.js');
  return index;
}

/** Who may change one of these changes the plugin. @param top - the plugin itself, all links resolved */
function trustPath(top: string, file: string): string[] {
  const paths = [file];
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    paths.push(folder);
    if (folder === dirname(top) || folder === dirname(folder)) break;
  }
  const manifest = join(top, 'package.json');
  return existsSync(manifest) ? [...paths, manifest] : paths;
}

/** A folder such as /tmp: everybody may put something beside our plugin, but only we another one in its place. */
function isKeptIn(folder: string, top: string): boolean {
  const isOurs = (path: string) => [0, process.getuid?.()].includes(statSync(path).uid);
  return folder === dirname(top) && (statSync(folder).mode & stickyBit) !== 0 && isOurs(folder) && isOurs(top);
}

function isWorldWritable(path: string): boolean {
  return (statSync(path).mode & constants.S_IWOTH) !== 0;
}
