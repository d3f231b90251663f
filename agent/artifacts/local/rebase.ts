import { type Identity, identityEnvironment, ownIdentity } from '../git/identity.ts';
import { isPartOf } from '../git/refs.ts';
import { emptyTree, type Repository } from '../git/repository.ts';

/** Which commits are repeated where. */
export interface Line {
  /** The newest of them. */
  readonly local: string;
  /** Those that lead to this one are none of them; null when it is not known. */
  readonly base: string | null;
  /** Neither are those that lead to this one, which they are put upon. */
  readonly onto: string;
}

/**
 * Repeats local commits upon another commit. Works on git's objects alone: no file, index or ref is touched, and a kill
 * leaves nothing behind. What `onto` has already is left out; a line with merges is merged as a whole, unless what it was
 * merged with is `onto`. Needs git 2.39.
 *
 * @returns the newest of the new commits; `onto` when nothing is left to repeat
 * @throws ConflictError, GitError
 */
export async function rebase(repository: Repository, line: Line, committer: Identity): Promise<string> {
  const commits = await readLine(repository, line);
  if (commits.some(({ parents }) => parents.length > 1)) return await merge(repository, line, committer);
  try {
    return await repeatAll(repository, { commits, onto: line.onto, committer });
  } catch (error) {
    const [first] = commits;
    if (!(error instanceof ConflictError) || first === undefined || commits.length === 1) throw error;
    // What conflicts on the way need not conflict in the end: that is how a person mends it in place.
    const whole = { commit: line.local, parents: first.parents };
    return await repeatAll(repository, { commits: [whole], onto: line.onto, committer });
  }
}

/** Both sides have changed the same lines, or one has removed what the other has changed. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  /** Relative, in git's order. */
  readonly paths: readonly string[];

  constructor(commit: string, paths: readonly string[]) {
    super(`${commit} is in conflict in ${paths.slice(0, 10).join(', ')}`);
    this.paths = paths;
  }
}

async function readLine({ run }: Repository, { local, base, onto }: Line): Promise<Commit[]> {
  const without = [onto, ...(base === null ? [] : [base])].map((commit) => `^${commit}`);
  const lines = (await run(['rev-list', '--reverse', '--topo-order', '--parents', local, ...without])).split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => line.split(' '))
    .map(([commit = '', ...parents]) => ({ commit, parents }));
}

interface Commit {
  readonly commit: string;
  readonly parents: readonly string[];
}

async function repeatAll(
  repository: Repository,
  { commits, onto, committer }: { commits: readonly Commit[]; onto: string; committer: Identity },
): Promise<string> {
  let tip = onto;
  for (const { commit, parents } of commits) {
    const [parent = emptyTree] = parents;
    tip = parent === tip ? commit : await repeat(repository, { commit, parent, tip, committer });
  }
  return tip;
}

/** Merges as if both sides had begun at the parent: `merge-tree --merge-base` came with git 2.40. */
async function repeat(
  repository: Repository,
  { commit, parent, tip, committer }: { commit: string; parent: string; tip: string; committer: Identity },
): Promise<string> {
  const { run } = repository;
  const environment = identityEnvironment({ author: ownIdentity });
  const commitTree = async (of: string, ...parents: string[]) =>
    (await run(['commit-tree', ...parents, '-m', 'for a merge', `${of}^{tree}`], { environment })).trim();
  const origin = await commitTree(parent);
  const sides = { ours: await commitTree(tip, '-p', origin), theirs: await commitTree(commit, '-p', origin) };

  const tree = await mergeTrees(repository, { ...sides, commit });
  if (tree === (await run(['rev-parse', `${tip}^{tree}`])).trim()) return tip;
  const { author, date, message } = await readCommit(repository, commit);
  return (
    await run(['commit-tree', '-p', tip, '-F', '-', tree], {
      environment: { ...identityEnvironment({ author, committer }), GIT_AUTHOR_DATE: date },
      input: message,
    })
  ).trim();
}

async function merge(repository: Repository, { local, onto }: Line, committer: Identity): Promise<string> {
  if (await isPartOf(repository, onto, local)) return local;
  const tree = await mergeTrees(repository, { ours: onto, theirs: local, commit: local });
  const args = ['commit-tree', '-p', onto, '-p', local, '-m', 'Merge local changes', tree];
  return (await repository.run(args, { environment: identityEnvironment({ author: committer }) })).trim();
}

/** With `--stdin`, git does not fail at a conflict, but tells of it. */
async function mergeTrees(
  { run }: Repository,
  { ours, theirs, commit }: { ours: string; theirs: string; commit: string },
): Promise<string> {
  const args = ['merge-tree', '--write-tree', '--stdin', '--name-only', '--no-messages'];
  const [isClean, tree = '', ...paths] = (await run(args, { input: `${ours} ${theirs}\n` })).split('\0');
  if (isClean === '1') return tree;
  throw new ConflictError(commit, [...new Set(paths.filter((path) => path.trim() !== ''))]);
}

async function readCommit({ run }: Repository, commit: string) {
  const format = '--format=%an%x00%ae%x00%ad%x00%B';
  const text = await run(['log', '-1', '--no-show-signature', '--date=raw', format, commit, '--']);
  const [name = '', email = '', date = '', message = ''] = text.split('\0');
  return { author: { name, email }, date: `@${date}`, message: `${message.trimEnd()}\n` };
}
