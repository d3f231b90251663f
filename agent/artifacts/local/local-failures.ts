import { AgentError, reasonOf } from '../../../state/errors.ts';
import { isRefusal } from '../failures.ts';

/** What a failure to bring local commits to the remote was about. */
export interface Involved {
  readonly tenantId: string;
  /** Without user info. */
  readonly repoUrl: string;
  readonly path: string;
}

/** Local commits and those of the remote have changed the same lines. Both are kept; nothing in place is touched. */
export class ArtifactConflictError extends AgentError {
  override readonly name = 'ArtifactConflictError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_COMMIT_CONFLICT';
  readonly remedy =
    'Run git merge refs/cartridge-agent/fetched in that folder and resolve it, or change the files in the repository to what is here.';

  /** @param options - `paths`: those in conflict; `local`, `fetched`: the newest commits of both sides */
  constructor(
    { tenantId, repoUrl, path }: Involved,
    options: { cause: unknown; paths: readonly string[]; local: string; fetched: string },
  ) {
    const { cause, local, fetched, paths } = options;
    super(`cannot bring the local commits of ${path} upon those of ${repoUrl}: ${paths.length} files in conflict`, {
      cause,
      facts: { tenantId, repoUrl, path, local, fetched, paths: paths.slice(0, 100), conflicts: paths.length },
    });
  }
}

/** The remote does not take the local commits. They are kept; nothing in place is touched. */
export class ArtifactPushError extends AgentError {
  override readonly name = 'ArtifactPushError';
  override readonly lasting: boolean;
  readonly code = 'ARTIFACT_PUSH_FAILED';
  readonly remedy: string;

  /** @param options - `branch`: null for the one the remote calls HEAD; `reason`: why, when git has not been asked */
  constructor(
    { tenantId, repoUrl, path }: Involved,
    { cause, branch, reason }: { cause: unknown; branch: string | null; reason?: 'no branch' },
  ) {
    super(`cannot push the local commits of ${path} to ${repoUrl}`, {
      ...(cause !== null && { cause }),
      facts: { tenantId, repoUrl, path, branch, reason: reason ?? reasonOf(cause) },
    });
    this.lasting = reason === 'no branch' || isRefusal(cause);
    this.remedy = reason === 'no branch' ? noBranch : remedyFor(cause);
  }
}

const noBranch =
  'Let artifact.branch name a branch of the repository: nothing can be pushed to a tag or a pinned commit; or switch commits off.';

function remedyFor(cause: unknown): string {
  if (isRefusal(cause)) return 'Let the user of the sign-up push to the repository, or switch commits off.';
  if (/remote rejected|declined/.test(reasonOf(cause))) {
    return 'Let the branch take these commits: the git server has a rule or a hook against it; or switch commits off.';
  }
  return 'Check that this instance can reach the git server; the agent tries again by itself.';
}
