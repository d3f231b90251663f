import { lstat, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Log } from '../log.ts';
import { GitError } from './git.ts';
import { markPlaced, pathsBetween, type Repository, readCommits } from './repository.ts';

/**
 * Makes the files in place those of `commit`. The first time, files of the same name are replaced and others stay. Later
 * local changes stay too, unless the update touches such a file: then they are saved in a ref, and the repository wins.
 */
export async function placeCommit(repository: Repository, commit: string, { log }: { log: Log }): Promise<void> {
  const { placed } = await readCommits(repository);
  if (placed === null) await repository.run(['reset', '--hard', '--quiet', commit]);
  else await update(repository, { placed, commit, log });
  await markPlaced(repository, commit);
}

async function update(repository: Repository, step: { placed: string; commit: string; log: Log }): Promise<void> {
  const { commit, log } = step;
  try {
    // A hook that changed owners or times has not changed files; without this, git takes it so.
    await repository.run(['update-index', '-q', '--refresh']);
    await repository.run(['reset', '--keep', '--quiet', commit]);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    const savedAs = await saveLocal(repository, step);
    await repository.run(['reset', '--hard', '--quiet', commit]);
    log.warn(
      { event: 'artifact.replaced', path: repository.folder, commit, savedAs, reason: error.message },
      'local changes saved and replaced',
    );
  }
}

const us = { NAME: 'cartridge-agent', EMAIL: 'cartridge-agent@localhost' };
const identity = Object.fromEntries(
  Object.entries(us).flatMap(([key, value]) =>
    [`GIT_AUTHOR_${key}`, `GIT_COMMITTER_${key}`].map((name) => [name, value]),
  ),
);

/** Saves all changes of tracked files, and the untracked files an update is about to replace, as a commit of their own. */
async function saveLocal(repository: Repository, step: { placed: string; commit: string }): Promise<string> {
  const { folder, run } = repository;
  const index = join(folder, '.git', 'cartridge-agent-index');
  const environment = { GIT_INDEX_FILE: index, ...identity };
  try {
    await run(['read-tree', 'HEAD'], { environment });
    await run(['add', '--update'], { environment });
    const inTheWay = await untrackedInTheWay(repository, step);
    const input = inTheWay.map((path) => `${path}\0`).join('');
    if (input !== '') await run(['update-index', '--add', '-z', '--stdin'], { environment, input });
    const tree = await run(['write-tree'], { environment });
    const message = `Local state before ${step.commit}`;
    const commit = await run(['commit-tree', '-p', 'HEAD', '-m', message, tree.trim()], { environment });

    const ref = `refs/cartridge-agent/replaced/${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
    await run(['update-ref', ref, commit.trim()]);
    return ref;
  } finally {
    await rm(index, { force: true });
  }
}

/** Untracked files at, below or above a path that the update touches, ignored ones included. */
async function untrackedInTheWay(
  repository: Repository,
  { placed, commit }: { placed: string; commit: string },
): Promise<string[]> {
  const touched = new Set(await pathsBetween(repository, placed, commit));
  const above = new Set([...touched].flatMap(parentsOf));
  const untracked = (await repository.run(['ls-files', '--others', '-z'])).split('\0').filter((path) => path !== '');
  const inTheWay = untracked.filter(
    (path) => touched.has(path) || above.has(path) || parentsOf(path).some((parent) => touched.has(parent)),
  );
  const files = await Promise.all(inTheWay.map(async (path) => await isFile(join(repository.folder, path))));
  return inTheWay.filter((_, index) => files[index]);
}

function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [parent, ...parentsOf(parent)];
}

/** What git can take into a commit: neither sockets, nor other repositories. */
async function isFile(path: string): Promise<boolean> {
  const entry = await lstat(path).catch(() => null);
  return entry?.isFile() === true || entry?.isSymbolicLink() === true;
}
