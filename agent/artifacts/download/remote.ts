import { reasonOf } from '../../../state/errors.ts';
import { isRefusal } from '../failures.ts';
import type { GitCall } from '../git/git.ts';
import type { Repository } from '../git/repository.ts';

/** How the remote is talked to. One that refuses the credential is asked without: user names are given for public ones too. */
export type RemoteCall = Required<Pick<GitCall, 'credential'>> & Pick<GitCall, 'onProgress'>;

/**
 * What the remote has under these names, and under no others.
 *
 * @param names - `HEAD`, or full names of branches and tags
 * @returns ids by name; of tags that are objects, the ids of those
 */
export async function askRemote(
  repository: Repository,
  names: readonly string[],
  call: RemoteCall,
): Promise<ReadonlyMap<string, string>> {
  // Servers have names of many other kinds, of every proposed change for one: they need not be listed.
  const kinds = names.includes('HEAD') ? [] : ['--heads', '--tags'];
  const lines = await talk(repository, ['ls-remote', '--quiet', ...kinds, 'origin', ...names], call);
  const entries = lines.split('\n').map((line) => line.split('\t').reverse() as [string, string]);
  return new Map(entries.filter(([name]) => names.includes(name)));
}

/**
 * Brings what the refspecs say, and writes no other refs.
 *
 * @param call - `depth`: options that a server may not know; it is asked for everything then
 */
export async function fetchRefs(
  repository: Repository,
  refspecs: readonly string[],
  { depth, ...call }: RemoteCall & { depth: readonly string[] },
): Promise<void> {
  const args = [
    ...['fetch', '--progress', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', '--refmap=', '--prune'],
    // It would look like a download that grows.
    '--no-auto-maintenance',
  ];
  try {
    await talk(repository, [...args, ...depth, 'origin', ...refspecs], call);
  } catch (error) {
    if (depth.length === 0 || !cannotBeShallow(error)) throw error;
    await talk(repository, [...args, 'origin', ...refspecs], call);
  }
}

function cannotBeShallow(error: unknown): boolean {
  return /does not support (shallow|--depth)/i.test(reasonOf(error));
}

async function talk(repository: Repository, args: readonly string[], call: RemoteCall): Promise<string> {
  const { credential, onProgress } = call;
  const more = onProgress === undefined ? {} : { onProgress };
  try {
    return await repository.run(args, { ...more, credential });
  } catch (error) {
    if (credential === null || !isRefusal(error)) throw error;
    return await repository.run(args, more).catch(() => {
      throw error;
    });
  }
}
