import { type FSWatcher, readdirSync, realpathSync, statSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AgentError } from '../../state/errors.ts';

/** Nobody would notice that the plugin is saved. */
export class PluginNotWatchedError extends AgentError {
  override readonly name = 'PluginNotWatchedError';
  readonly code = 'DEMO_PLUGIN_NOT_WATCHED';
  readonly remedy = 'See that it is still there, and that fs.inotify.max_user_watches is not used up.';
}

/** Looks whether a plugin is saved: `signal` aborts when it was, with what to tell people as its reason. */
export type Saves = Disposable & { readonly signal: AbortSignal };

/** An editor writes more than once. */
const settleMs = 100;
/** What was installed, and what is not the author's. */
const others = /^(\.|node_modules$)|~$/;

/**
 * @param path - a folder, of which all is watched but what is hidden or installed; or one file
 * @throws {@link PluginNotWatchedError}
 */
export function watchSaves(path: string): Saves {
  const saved = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const notice = (file: string) => {
    timer ??= setTimeout(() => saved.abort(`${file} was saved`), settleMs);
    timer.refresh();
  };
  using started = new DisposableStack();
  started.defer(() => clearTimeout(timer));
  try {
    for (const watcher of watchersOf(realpathSync(path), notice)) started.defer(() => watcher.close());
  } catch (cause) {
    throw new PluginNotWatchedError(`cannot watch ${path}`, { cause });
  }
  const all = started.move();
  return { signal: saved.signal, [Symbol.dispose]: () => all.dispose() };
}

function watchersOf(path: string, notice: (file: string) => void): FSWatcher[] {
  const isFolder = statSync(path).isDirectory();
  const folders = isFolder ? [path, ...foldersBelow(path)] : [dirname(path)];
  return folders.map((folder) => {
    // The file itself would not do: editors put a new one in its place.
    const watcher = watch(folder, (_, file) => {
      if (file === null || others.test(file) || (!isFolder && file !== basename(path))) return;
      notice(file);
    });
    // Its folder is gone, which the others tell, too.
    return watcher.on('error', () => {});
  });
}

function foldersBelow(path: string): string[] {
  const folders = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders
    .filter(({ name }) => !others.test(name))
    .flatMap(({ name }) => [join(path, name), ...foldersBelow(join(path, name))]);
}
