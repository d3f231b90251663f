import { lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Git, type GitCall, GitError } from './git.ts';
import { readRefIds } from './ref-files.ts';
import { checkedRefName } from './ref-name.ts';

/** By the name git knows it under, in every repository. */
export const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
/** The newest commit of the artifact that is here, placed or not. */
export const fetchedRef = 'refs/cartridge-agent/fetched';
/** The commit all of whose files are in place. Missing until the first one is. */
const placedRef = 'refs/cartridge-agent/placed';
const marker = 'cartridge-agent';

/** A clone: the folder with `.git` in it, and how git is called there. */
export interface Repository {
  readonly folder: string;
  run(
    args: readonly string[],
    more?: Pick<
      GitCall,
      'credential' | 'input' | 'inBytes' | 'environment' | 'onProgress' | 'onOutput' | 'onMessage'
    > & {
      /** Ends this call; that of the job ends it too. */
      signal?: AbortSignal;
    },
  ): Promise<string>;
}

/** The clone in `folder`. Nothing is read or written yet. */
export function repositoryIn(folder: string, git: Git, job: Pick<GitCall, 'tree' | 'signal'>): Repository {
  return {
    folder,
    run: (args, { signal, ...more } = {}) => {
      const ending = signal === undefined ? job.signal : AbortSignal.any([job.signal, signal]);
      return git.run(args, { ...job, ...more, signal: ending, folder });
    },
  };
}

/** Whether the folder holds a clone this agent made: another one may have configuration that runs commands. */
export async function isOurs(folder: string): Promise<boolean> {
  const gitFolder = await lstat(join(folder, '.git')).catch(() => null);
  const mark = await lstat(join(folder, '.git', marker)).catch(() => null);
  return gitFolder?.isDirectory() === true && mark?.isFile() === true;
}

/** Makes an empty clone of ours. Its folder must be there. */
export async function initRepository(repository: Repository, { branch }: { branch: string | null }): Promise<void> {
  // The branch here is a name only: which one of the remote it follows is said at each fetch (protocol.md 8.3).
  const name = branch === null ? 'master' : checkedRefName(branch);
  await repository.run(['init', '--quiet', `--initial-branch=${name}`]);
  await writeFile(join(repository.folder, '.git', marker), 'made by cartridge-agent\n');
}

/**
 * Writes the whole configuration of the clone, but for what git found out about the file system: a changed URL takes
 * effect, and so does nothing that whoever may write below APPLICATION_PATH has put there for git to run.
 */
export async function configure({ folder }: Repository, url: string): Promise<void> {
  const gitFolder = join(folder, '.git');
  await mkdir(join(gitFolder, 'info'), { recursive: true });
  await replace(join(gitFolder, 'info', 'attributes'), () => asTheyAre);
  await replace(join(gitFolder, 'config'), (before) => configuration(url, before));
}

/**
 * Files in place have the bytes that the commit has, whatever `.gitattributes` or `core.autocrlf` want: with line ends
 * or encodings changed on the way, a file that nobody touched would be a local change to git, and be committed.
 */
const asTheyAre = '* -text -ident -filter !working-tree-encoding\n';

function configuration(url: string, before: string): string {
  const probed = before.match(/^\s*(filemode|symlinks|ignorecase) = (true|false)$/gm) ?? [];
  const lines = [
    '[core]',
    ...['repositoryformatversion = 0', 'bare = false', 'logallrefupdates = true', ...probed].map(
      (line) => `\t${line.trim()}`,
    ),
    '[remote "origin"]',
    `\turl = "${url.replaceAll(/["\\]/g, '\\$&')}"`,
    '\tfetch = +refs/heads/*:refs/remotes/origin/*',
  ];
  return `${lines.join('\n')}\n`;
}

async function replace(file: string, contentFor: (before: string) => string): Promise<void> {
  const before = await readFile(file, 'utf8').catch(() => '');
  const content = contentFor(before);
  if (content === before) return;
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}

/** Which commit is in place, and which was fetched last; null where there is none. */
export async function readCommits(repository: Repository): Promise<{ placed: string | null; fetched: string | null }> {
  const commits = await readRefIds(repository, [fetchedRef, placedRef]);
  return { placed: commits.get(placedRef) ?? null, fetched: commits.get(fetchedRef) ?? null };
}

/** Whether the clone has that commit. */
export async function isKnown({ run }: Repository, commit: string): Promise<boolean> {
  // Without a pattern that matches, it prints nothing; commits that were never here are no failure, and no damage.
  const answer = await run(['cat-file', '--batch-check'], { input: `${commit}^{commit}\n` });
  return / commit \d+\s*$/.test(answer);
}

/** The commit, or null when there is none, or the clone does not have it: it may have been made again. */
export async function knownCommit(repository: Repository, commit: string | null): Promise<string | null> {
  return commit !== null && (await isKnown(repository, commit)) ? commit : null;
}

/** From now on `commit` is the one in place. */
export async function markPlaced({ run }: Repository, commit: string): Promise<void> {
  await run(['update-ref', placedRef, commit]);
}

/** Removes what a git that was killed leaves behind: locks that block every later job, half a pack, half an object. */
export async function removeDebris(folder: string): Promise<void> {
  const gitFolder = join(folder, '.git');
  const refs = await namesIn(join(gitFolder, 'refs'), { recursive: true });
  const objects = await namesIn(join(gitFolder, 'objects'), { recursive: true });
  const debris = [
    ...(await namesIn(gitFolder)).filter((name) => name.endsWith('.lock')),
    ...refs.filter((name) => name.endsWith('.lock')).map((name) => join('refs', name)),
    ...objects.filter((name) => unfinished.test(name)).map((name) => join('objects', name)),
  ];
  await Promise.all(debris.map((name) => rm(join(gitFolder, name), { recursive: true, force: true })));
}

/** Makes an index anew that cannot be read: all it says follows from the commit in place. No file is touched. */
export async function renewIndex(repository: Repository): Promise<void> {
  const gitFolder = join(repository.folder, '.git');
  const indexes = (await namesIn(gitFolder)).filter((name) => /^(index|cartridge-agent-index.*)$/.test(name));
  await Promise.all(indexes.map((name) => rm(join(gitFolder, name), { force: true })));
  const { placed } = await readCommits(repository);
  // The indexes of releases are written when they are needed.
  if (placed !== null) await repository.run(['read-tree', placed]);
}

/** What is written under another name first, and the marks of a fetch that keep a pack from being repacked. */
const unfinished = /(^|\/)tmp_[^/]*$|\.(temp|keep)$/;

/** Whether something was thrown by git or the file system; all else is a defect. */
export function isForeign(thrown: unknown): boolean {
  return thrown instanceof GitError || (thrown instanceof Error && 'syscall' in thrown);
}

async function namesIn(folder: string, options: { recursive?: boolean } = {}): Promise<string[]> {
  return await readdir(folder, { ...options, encoding: 'utf8' }).catch(() => []);
}
