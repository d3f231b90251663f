import { access, constants, copyFile, lstat, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileAt, listPaths } from '../git/byte-paths.ts';
import type { Repository } from '../git/repository.ts';

/** An index of our own: what we do in it touches no file, and nobody who works in the clone sees it. */
export interface OwnIndex {
  /** Makes git use it. */
  readonly environment: Readonly<{ GIT_INDEX_FILE: string }>;
}

/** Has an index that holds the files of `commit`, and knows which of them are unchanged in place. */
export async function withIndexOf<T>(
  repository: Repository,
  commit: string,
  work: (index: OwnIndex) => Promise<T>,
): Promise<T> {
  const file = join(repository.folder, '.git', 'cartridge-agent-index');
  const environment = { GIT_INDEX_FILE: file };
  try {
    await removeIndex(file);
    await copyIndex(repository, file);
    await repository.run(['read-tree', '--reset', commit], { environment });
    // A hook that changed owners or times has not changed files; without this, git takes it so.
    await repository.run(['update-index', '-q', '--refresh'], { environment });
    return await work({ environment });
  } finally {
    await removeIndex(file);
  }
}

/** Paths of the index whose files in place are others, or are gone; in git's order. */
export async function readChanged(repository: Repository, { environment }: OwnIndex): Promise<string[]> {
  // To look into a submodule, git would run with the configuration that somebody has put there.
  const args = ['diff-files', '-z', '--name-only', '--no-renames', '--ignore-submodules=all'];
  return await listPaths(repository, args, environment);
}

/** What of the files in place goes into a tree. */
export interface Wanted {
  /** Files the index does not have: all but the ignored ones, or those it is true for. */
  readonly untracked: 'unignored' | ((path: string) => boolean);
}

/**
 * Takes the files in place into the index, as they are now, and makes a tree of it. Other repositories below are left
 * out, and so are files that we may not read.
 */
export async function takeTree(
  repository: Repository,
  index: OwnIndex,
  { untracked }: Wanted,
): Promise<{ tree: string; leftOut: readonly string[] }> {
  const { run } = repository;
  const { environment } = index;
  const leftOut = [...(await readSubmodules(repository, index))];
  if (untracked === 'unignored') leftOut.push(...(await readForeign(repository, index)));
  const add = async () => {
    const input = [':/', ...leftOut.map((path) => `:(top,exclude,literal)${path}`)].map((spec) => `${spec}\0`).join('');
    const which = untracked === 'unignored' ? '--all' : '--update';
    await run(['add', which, '--pathspec-from-file=-', '--pathspec-file-nul'], { environment, input, inBytes: true });
  };
  await add().catch(async (error: unknown) => {
    // Services write files that nobody else may read: they are no reason to keep back all others.
    const unreadable = await readUnreadable(repository, index);
    if (unreadable.length === 0) throw error;
    leftOut.push(...unreadable);
    await add();
  });
  if (untracked !== 'unignored') await addUntracked(repository, index, untracked);
  return { tree: (await run(['write-tree'], { environment })).trim(), leftOut };
}

/** The tree that `tree` is when `paths` are as `other` has them; whatever is above or below them gives way. */
export async function treeWith(
  repository: Repository,
  tree: string,
  { paths, other }: { paths: readonly string[]; other: string },
): Promise<string> {
  if (paths.length === 0) return tree;
  const { run } = repository;
  const file = join(repository.folder, '.git', 'cartridge-agent-index-of-tree');
  const environment = { GIT_INDEX_FILE: file };
  const wanted = new Set(paths);
  const entries = await listPaths(repository, ['ls-tree', '-r', '-z', other]);
  const input = [
    ...paths.map((path) => `0 ${'0'.repeat(40)}\t${path}`),
    ...entries.filter((entry) => wanted.has(entry.slice(entry.indexOf('\t') + 1))),
  ];
  try {
    await removeIndex(file);
    await run(['read-tree', tree], { environment });
    await run(['update-index', '-z', '--index-info'], { environment, input: `${input.join('\0')}\0`, inBytes: true });
    return (await run(['write-tree'], { environment })).trim();
  } finally {
    await removeIndex(file);
  }
}

/** A test for paths that are one of `paths`, or above or below one. */
export function isRelatedTo(paths: readonly string[]): (path: string) => boolean {
  const known = new Set(paths);
  const above = new Set(paths.flatMap(parentsOf));
  return (path) => known.has(path) || above.has(path) || parentsOf(path).some((parent) => known.has(parent));
}

/** With what git knows of the files: without it, each look would read all of them. */
async function copyIndex({ folder }: Repository, to: string): Promise<void> {
  const from = join(folder, '.git', 'index');
  const written = await stat(from).catch(() => null);
  if (written === null) return;
  await copyFile(from, to);
  // Files that are not older than the index are read again: those that changed in the very second it was written.
  await utimes(to, written.atime, new Date(written.mtimeMs - 1_000));
}

async function removeIndex(file: string): Promise<void> {
  await Promise.all([file, `${file}.lock`].map((name) => rm(name, { force: true })));
}

async function readSubmodules(repository: Repository, { environment }: OwnIndex): Promise<string[]> {
  const entries = await listPaths(repository, ['ls-files', '--stage', '-z'], environment);
  return entries.filter((entry) => entry.startsWith('160000 ')).map((entry) => entry.slice(entry.indexOf('\t') + 1));
}

/** Repositories of others, which git lists with a slash at the end, and what is only here while the agent works. */
async function readForeign(repository: Repository, index: OwnIndex): Promise<string[]> {
  const untracked = await readUnignored(repository, index);
  const foreign = untracked.flatMap((path) => {
    const [ours] = /^(?:.*\/)?\.cartridge-agent-[^/]*/.exec(path) ?? [];
    return ours ?? (path.endsWith('/') ? path.slice(0, -1) : []);
  });
  return [...new Set(foreign)];
}

async function readUnreadable(repository: Repository, index: OwnIndex): Promise<string[]> {
  const paths = [...(await readChanged(repository, index)), ...(await readUnignored(repository, index))];
  const denied = await Promise.all(paths.map(async (path) => await isDenied(fileAt(repository.folder, path))));
  return paths.filter((_, index) => denied[index]);
}

async function readUnignored(repository: Repository, { environment }: OwnIndex): Promise<string[]> {
  return await listPaths(repository, ['ls-files', '--others', '--exclude-standard', '-z'], environment);
}

async function addUntracked(
  repository: Repository,
  { environment }: OwnIndex,
  isWanted: (path: string) => boolean,
): Promise<void> {
  const { folder, run } = repository;
  const untracked = (await listPaths(repository, ['ls-files', '--others', '-z'], environment)).filter(isWanted);
  const files = await Promise.all(untracked.map(async (path) => await isFile(fileAt(folder, path))));
  const input = untracked.filter((_, index) => files[index]).map((path) => `${path}\0`);
  if (input.length === 0) return;
  await run(['update-index', '--add', '--remove', '--replace', '-z', '--stdin'], {
    environment,
    input: input.join(''),
    inBytes: true,
  });
}

function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [parent, ...parentsOf(parent)];
}

/** What git can take into a commit: neither sockets, nor other repositories. */
async function isFile(path: Buffer): Promise<boolean> {
  const entry = await lstat(path).catch(() => null);
  return entry?.isFile() === true || entry?.isSymbolicLink() === true;
}

async function isDenied(path: Buffer): Promise<boolean> {
  // Of a link, git reads no more than where it leads.
  const isLink = (await lstat(path).catch(() => null))?.isSymbolicLink() === true;
  return !isLink && (await access(path, constants.R_OK).catch(({ code }) => code)) === 'EACCES';
}
