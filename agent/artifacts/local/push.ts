import { type Credential, GitError } from '../git/git.ts';
import type { Repository } from '../git/repository.ts';
import { ArtifactPushError, type Involved } from './local-failures.ts';

interface PushTarget {
  readonly involved: Involved;
  readonly credential: Credential | null;
}

/**
 * The full name of the branch that is followed.
 *
 * @param options - `branch`: `artifact.branch`; null for the one the remote calls HEAD
 * @throws ArtifactPushError, also for tags and pinned commits, which nothing can be pushed to
 */
export async function targetOf(
  repository: Repository,
  { involved, credential, branch }: PushTarget & { branch: string | null },
): Promise<string> {
  const name = branch === null ? 'HEAD' : `refs/heads/${branch}`;
  const lines = isPinned(branch) ? '' : await listRemote(repository, { involved, credential, name });
  const [, head] = /^ref: (refs\/heads\/\S+)\tHEAD$/m.exec(lines) ?? [];
  const target = branch === null ? head : lines.includes(`\t${name}\n`) ? name : undefined;
  if (target === undefined) throw new ArtifactPushError(involved, { cause: null, branch, reason: 'no branch' });
  return target;
}

/**
 * Moves a branch of the remote forward, if it still is where it was when we looked; no other ref is touched.
 *
 * @throws ArtifactPushError
 */
export async function pushTo(
  repository: Repository,
  { involved, credential, target, from, to }: PushTarget & { target: string; from: string; to: string },
): Promise<void> {
  const args = [
    ...['push', '--quiet', '--no-verify', '--no-signed', '--no-follow-tags', '--recurse-submodules=no'],
    // `to` was built upon `from`, so this forces nothing; it refuses what would undo a rewritten history.
    `--force-with-lease=${target}:${from}`,
    ...['origin', `${to}:${target}`],
  ];
  try {
    await repository.run(args, { credential });
  } catch (error) {
    throw foreign(error, { involved, branch: target });
  }
}

function isPinned(branch: string | null): boolean {
  return branch !== null && /^[0-9a-f]{40}$/i.test(branch);
}

async function listRemote(
  repository: Repository,
  { involved, credential, name }: PushTarget & { name: string },
): Promise<string> {
  try {
    return await repository.run(['ls-remote', '--symref', 'origin', name], { credential });
  } catch (error) {
    throw foreign(error, { involved, branch: name });
  }
}

function foreign(error: unknown, { involved, branch }: { involved: Involved; branch: string }): unknown {
  return error instanceof GitError ? new ArtifactPushError(involved, { cause: error, branch }) : error;
}
