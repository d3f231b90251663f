import { chmod, chown, mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Faults } from '../../faults.ts';
import { flushFolder, flushTree } from '../files/durable.ts';
import { isKnown, type Repository } from '../git/repository.ts';
import { isThere } from './release-link.ts';

/** How git is to be called so that it works on a release, with an index of its own, instead of on its own folder. */
export type WorkTree = Readonly<{ GIT_WORK_TREE: string; GIT_INDEX_FILE: string }>;

/**
 * Writes all files of a commit into `release`, which is complete as soon as it is there.
 *
 * @param job - `like`: the folder that is served now; a new one gets its owner and mode
 */
export async function writeRelease(
  repository: Repository,
  release: string,
  job: { like: string; signal: AbortSignal; faults: Faults },
): Promise<void> {
  const { like, signal, faults } = job;
  const commit = basename(release);
  const incoming = join(dirname(release), `incoming-${commit}`);
  try {
    await rm(incoming, { recursive: true, force: true });
    await mkdir(incoming);
    await keepCommit(repository, commit);
    faults('releases.begun');
    await writeFiles(repository, commit, incoming);
    faults('releases.files');
    await dressLike(like, incoming);
    await flushTree(incoming, signal);
    await rename(incoming, release);
    faults('releases.written');
    await flushFolder(dirname(release));
  } catch (error) {
    // A disk that is full is not to stay so.
    await rm(incoming, { recursive: true, force: true });
    throw error;
  }
}

/** Null when the clone does not know the commit (any more): what has changed since then cannot be told. */
export async function workTreeOf(repository: Repository, release: string): Promise<WorkTree | null> {
  const commit = basename(release);
  if (!(await isKnown(repository, commit))) return null;
  const environment = workTreeIn(repository, commit, release);
  if (!(await isThere(environment.GIT_INDEX_FILE))) {
    await keepCommit(repository, commit);
    await writeIndex(repository, commit, environment);
  }
  // A hook that changed owners or times has not changed files; without this, git takes it so.
  await repository.run(['update-index', '-q', '--refresh'], { environment });
  return environment;
}

/** Removes what belongs to releases that are gone. */
export async function forgetReleases(repository: Repository, keep: ReadonlySet<string>): Promise<void> {
  const refs = (await repository.run(['for-each-ref', '--format=%(refname)', refFolder])).split('\n');
  for (const ref of refs.filter((name) => name !== '' && !keep.has(basename(name)))) {
    const { GIT_INDEX_FILE: index } = workTreeIn(repository, basename(ref), repository.folder);
    await rm(index, { force: true });
    await repository.run(['update-ref', '-d', ref]);
  }
}

const refFolder = 'refs/cartridge-agent/releases';

/** Otherwise git might clear away a commit that was forced off its branch, while it is in place. */
async function keepCommit({ run }: Repository, commit: string): Promise<void> {
  await run(['update-ref', `${refFolder}/${commit}`, commit]);
}

/** As `git checkout` writes them: modes and links as in the commit, no hook run. */
async function writeFiles(repository: Repository, commit: string, folder: string): Promise<void> {
  const environment = workTreeIn(repository, commit, folder);
  await writeIndex(repository, commit, environment);
  await repository.run(['checkout-index', '--all', '--index', '--quiet'], { environment });
}

async function writeIndex(repository: Repository, commit: string, environment: WorkTree): Promise<void> {
  const index = environment.GIT_INDEX_FILE;
  await Promise.all([index, `${index}.lock`].map((file) => rm(file, { force: true })));
  await repository.run(['read-tree', commit], { environment });
}

/** The index is kept: with the times it has noted, git sees without reading them which files are as they were. */
function workTreeIn({ folder }: Repository, commit: string, workTree: string): WorkTree {
  return { GIT_WORK_TREE: workTree, GIT_INDEX_FILE: join(folder, '.git', `cartridge-agent-index-${commit}`) };
}

/** Only root may give a folder away; whoever may not has made the other one as well. */
async function dressLike(model: string, folder: string): Promise<void> {
  const worn = await stat(model).catch(() => null);
  if (worn === null || !worn.isDirectory()) return;
  await chown(folder, worn.uid, worn.gid).catch(() => {});
  await chmod(folder, worn.mode & 0o7777);
}
