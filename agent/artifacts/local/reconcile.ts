import type { Credential } from '../git/git.ts';
import { type Identity, identityEnvironment, ownIdentity } from '../git/identity.ts';
import { isPartOf, type RefName, readRefs, writeRefs } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import { ArtifactConflictError, ArtifactPushError } from './local-failures.ts';
import { pushTo, targetOf } from './push.ts';
import { ConflictError, rebase } from './rebase.ts';

const pushesAtMost = 5;

/** What is to be told of, and how the remote is reached. */
export interface ReconcileJob {
  /** The newest commit of the remote that is here. */
  readonly fetched: string;
  /** `artifact.branch`; null for the one the remote calls HEAD. */
  readonly branch: string | null;
  readonly credential: Credential | null;
  /** Who repeats commits; their authors stay. */
  readonly identity: Identity;
  /** For messages: without user info. */
  readonly involved: { readonly tenantId: string; readonly repoUrl: string; readonly path: string };
  /** Fetches again, and checks what was fetched as the first time; returns it. */
  refetch(): Promise<string>;
}

export interface Reconciled {
  /** The commit that should be in place now. */
  readonly newCommit: string;
  /** The commit of the remote that it was built upon; itself when nothing was pushed. */
  readonly upstream: string;
  /** Whether local commits were pushed. */
  readonly pushed: boolean;
}

/**
 * Brings the local commits to the remote, repeated upon what was fetched. No file in place is touched; on a failure the
 * local commits stay, and the next call tries again. Safe to do again after a kill, whether the push had arrived or not.
 *
 * @throws ArtifactConflictError, ArtifactPushError, GitError
 * @see protocol.md 8.4
 */
export async function reconcile(repository: Repository, job: ReconcileJob): Promise<Reconciled> {
  let { fetched } = job;
  for (let pushes = 1; ; pushes += 1) {
    const refs = await readRefs(repository);
    const tip = await rebased(repository, refs, { ...job, fetched });
    if (tip === fetched) return await arrived(repository, { newCommit: fetched, upstream: fetched, pushed: false });
    try {
      await push(repository, { ...job, fetched, tip, local: refs.get('local') ?? tip });
    } catch (error) {
      const before = fetched;
      fetched = await newestOf(job, error);
      // Somebody else's push came first, or ours arrived although its end was not heard of.
      if (fetched !== before && pushes < pushesAtMost) continue;
      throw error;
    }
    return await arrived(repository, { newCommit: tip, upstream: fetched, pushed: true });
  }
}

type Step = ReconcileJob & { readonly tip: string; readonly local: string };

/** The fetched commit itself when there is nothing to push. */
async function rebased(
  repository: Repository,
  refs: ReadonlyMap<RefName, string>,
  { fetched, identity, involved }: ReconcileJob,
): Promise<string> {
  const local = refs.get('local');
  if (local === undefined) return fetched;
  const base = (await pushedBefore(repository, refs, fetched)) ?? refs.get('base') ?? null;
  try {
    return await rebase(repository, { local, base, onto: fetched }, identity);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    throw new ArtifactConflictError(involved, { cause: error, paths: error.paths, local, fetched });
  }
}

/** The local commit that an earlier push has brought to the remote, when a kill or a lost link came over its end. */
async function pushedBefore(
  repository: Repository,
  refs: ReadonlyMap<RefName, string>,
  fetched: string,
): Promise<string | null> {
  const pushing = refs.get('pushing');
  if (pushing === undefined) return null;
  const [tip = '', local = ''] = (await repository.run(['rev-parse', `${pushing}^1`, `${pushing}^2`])).split('\n');
  if (!(await isPartOf(repository, tip, fetched))) return null;
  // Later commits are repeated from here on, also when this very push is forgotten.
  await writeRefs(repository, { base: local });
  await writeRefs(repository, { pushing: null });
  return local;
}

/** @throws ArtifactPushError */
async function push(repository: Repository, step: Step): Promise<void> {
  const { involved, branch, credential, fetched, tip, local } = step;
  const target = await targetOf(repository, { involved, branch, credential });
  if (tip !== local) await notePushing(repository, { tip, local });
  await pushTo(repository, { involved, credential, target, from: fetched, to: tip });
}

async function notePushing(repository: Repository, { tip, local }: { tip: string; local: string }): Promise<void> {
  const args = ['commit-tree', '-p', tip, '-p', local, '-m', `Pushing ${tip}`, `${tip}^{tree}`];
  const pushing = await repository.run(args, { environment: identityEnvironment({ author: ownIdentity }) });
  await writeRefs(repository, { pushing: pushing.trim() });
}

async function newestOf({ refetch }: ReconcileJob, error: unknown): Promise<string> {
  if (!(error instanceof ArtifactPushError) || error.lasting) throw error;
  return await refetch();
}

/** The remote has all local commits. `local` goes first: without it, what the others say is of no account. */
async function arrived(repository: Repository, result: Reconciled): Promise<Reconciled> {
  const refs = await readRefs(repository);
  if (result.pushed) await writeRefs(repository, { fetched: result.newCommit });
  if (refs.has('local')) await writeRefs(repository, { local: null });
  const rest = (['base', 'pushing'] as const).filter((name) => refs.has(name)).map((name) => [name, null]);
  if (rest.length > 0) await writeRefs(repository, Object.fromEntries(rest));
  return result;
}
