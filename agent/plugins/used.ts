import { fileURLToPath } from 'node:url';
import { nearestOf } from '../../state/config/nearest.ts';
import { failure, type Log } from '../log.ts';
import { type Discovery, type FoundPlugin, findPlugins, shippedPlugins } from './discover.ts';
import { PluginMissingError } from './failures.ts';

/** One of ours is used when there is a section for it, and nobody has put another one of its name in its place. */
export function findUsedPlugins(
  pluginsDir: string,
  { sections, shippedIn = shippedFolder() }: { sections: ReadonlyMap<string, unknown>; shippedIn: string | undefined },
): Discovery & { readonly shippedNames: readonly string[] } {
  const { found, problems, others } = findPlugins(pluginsDir);
  const named = (name: string) =>
    found.some((own) => own.name === name) || problems.some(({ plugin }) => plugin === name);
  const shipped = shippedPlugins(shippedIn);
  const shippedNames = shipped.map(({ name }) => name);
  const used = [...found, ...shipped.filter(({ name }) => sections.has(name) && !named(name))];
  const known = [...used.map(({ name }) => name), ...shippedNames];
  const isFolderUntold = problems.some(({ plugin, isConfiguration }) => plugin === null && !isConfiguration);
  const missing = [...sections.keys()].filter((name) => !known.includes(name) && !named(name));
  const missed = missing.map((name) => new PluginMissingError(name, { pluginsDir, nearest: nearestOf(name, known) }));
  const told = [...problems, ...(isFolderUntold ? [] : missed)];
  return { found: used.toSorted(byName), problems: told, others, shippedNames };
}

/** What was wrong there, and what is none. */
export function logDiscovery({ problems, others }: Discovery, log: Log): void {
  for (const problem of problems) {
    log.error({ event: 'plugin.problem', ...failure(problem) }, 'plugin needs a look');
  }
  if (others.length === 0) return;
  const remedy = 'A plugin is NAME.ts, NAME.js, or a folder with a package.json; remove the rest.';
  log.warn({ event: 'plugin.misnamed', files: others, remedy }, 'files in plugins.dir are no plugins');
}

function shippedFolder(): string {
  return fileURLToPath(new URL('../../plugins/', import.meta.url));
}

function byName(one: FoundPlugin, other: FoundPlugin): number {
  return one.name < other.name ? -1 : 1;
}
