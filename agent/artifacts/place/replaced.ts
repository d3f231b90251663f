import type { Repository } from '../git/repository.ts';

const folder = 'refs/cartridge-agent/replaced/';
const keptAtMost = 10;

/**
 * Keeps local files that are about to be replaced, under a name of their own; the newest ten are kept.
 *
 * @returns the name of the ref: `git show REF:path` has a file back
 */
export async function keepReplaced(repository: Repository, commit: string): Promise<string> {
  const ref = `${folder}${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  await repository.run(['update-ref', ref, commit]);
  await prune(repository);
  return ref;
}

async function prune({ run }: Repository): Promise<void> {
  const refs = (await run(['for-each-ref', '--format=%(refname)', folder])).split('\n').filter((ref) => ref !== '');
  const input = refs
    .sort()
    .slice(0, -keptAtMost)
    .map((ref) => `delete ${ref}\n`)
    .join('');
  if (input !== '') await run(['update-ref', '--stdin'], { input });
}
