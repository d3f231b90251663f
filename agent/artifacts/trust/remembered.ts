import type { Repository } from '../git/repository.ts';

/** More than most instances have tenants. */
const commitsKept = 100;

/** Something that is so of a commit for ever, and is not read again at each look. */
export function remembered<T>(
  read: (repository: Repository, commit: string) => Promise<T>,
): (repository: Repository, commit: string) => Promise<T> {
  const known = new Map<string, T>();
  return async (repository, commit) => {
    const fact = known.get(commit) ?? (await read(repository, commit));
    known.delete(commit); // The newest is last.
    known.set(commit, fact);
    const [oldest] = known.keys();
    if (known.size > commitsKept && oldest !== undefined) known.delete(oldest);
    return fact;
  };
}
