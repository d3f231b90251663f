import { GitError } from './git.ts';
import { readRefIds } from './ref-files.ts';
import type { Repository } from './repository.ts';

const folder = 'refs/cartridge-agent/';

/**
 * What the agent remembers in a clone, beside its files; each has the name in `refs/cartridge-agent/`:
 *
 * - `fetched`, `placed`: see repository.ts
 * - `placing`: a placing that has begun; its tree is how the files are to be, its parents how they were, and what is placed then
 * - `local`: the newest commit of local changes that the remote is not known to have
 * - `base`: the commit of the remote that `local` began at
 * - `pushing`: a push that has begun; its parents are what is pushed, and the local commit that is in it
 */
export type RefName = (typeof names)[number];

const names = ['fetched', 'placed', 'placing', 'local', 'base', 'pushing'] as const;

/** The commits that have such a name. */
export async function readRefs(repository: Repository): Promise<ReadonlyMap<RefName, string>> {
  const ids = await readRefIds(
    repository,
    names.map((name) => `${folder}${name}`),
  );
  return new Map([...ids].map(([name, commit]) => [name.slice(folder.length) as RefName, commit]));
}

/** Gives commits their names, then takes the names away that are null; those must be there. */
export async function writeRefs(
  { run }: Repository,
  refs: Readonly<Partial<Record<RefName, string | null>>>,
): Promise<void> {
  const orders = Object.entries(refs).map(([name, commit]) =>
    commit === null ? `delete ${folder}${name}\n` : `update ${folder}${name} ${commit}\n`,
  );
  await run(['update-ref', '--stdin'], { input: orders.join('') });
}

/** The commit that is checked out; null when there is none yet. */
export async function readHead({ run }: Repository): Promise<string | null> {
  try {
    return (await run(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'])).trim();
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return null;
  }
}

/** Whether all that leads to `commit` leads to `later` too. */
export async function isPartOf({ run }: Repository, commit: string, later: string): Promise<boolean> {
  return (await run(['rev-list', '--max-count=1', commit, `^${later}`])) === '';
}
