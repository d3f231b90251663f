import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The ids of some refs of a clone of ours; those that are missing are left out. Without git where that can be: this is
 * a part of every look for something new, and should cost less than the question to the server.
 */
export async function readRefIds(repository: Clone, names: readonly string[]): Promise<Ids> {
  const gitFolder = join(repository.folder, '.git');
  // As long as git has packed none, refs are files of one line.
  const arePacked = (await stat(join(gitFolder, 'packed-refs')).catch(() => null)) !== null;
  return arePacked ? await askGit(repository, names) : await readFiles(gitFolder, names);
}

type Ids = ReadonlyMap<string, string>;
/** What of a repository is needed here. */
type Clone = { readonly folder: string; readonly run: (args: readonly string[]) => Promise<string> };

async function askGit({ run }: Clone, names: readonly string[]): Promise<Ids> {
  const lines = await run(['for-each-ref', '--format=%(refname) %(objectname)', ...names]);
  return new Map(lines.split('\n').map((line) => line.split(' ') as [string, string]));
}

async function readFiles(gitFolder: string, names: readonly string[]): Promise<Ids> {
  const entries = await Promise.all(
    names.map(async (name) => {
      const id = (await readFile(join(gitFolder, name), 'latin1').catch(() => '')).trim();
      return /^[0-9a-f]{40}$/.test(id) ? [[name, id] as const] : [];
    }),
  );
  return new Map(entries.flat());
}
