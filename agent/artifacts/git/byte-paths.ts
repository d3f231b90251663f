import { join } from 'node:path';
import type { Repository } from './repository.ts';

// Paths are bytes to git, and need not be UTF-8. Those that go back to git, or to the file system, have one character
// for each byte until then: in UTF-8 they would come back as names of other files.

/** The paths that a command prints, with NUL after each; in git's order. */
export async function listPaths(
  { run }: Repository,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  return (await run(args, { environment, inBytes: true })).split('\0').filter((path) => path !== '');
}

/** Paths that differ between two commits, in git's order; all of `to` when `from` is null. */
export async function pathsBetween(repository: Repository, from: string | null, to: string): Promise<string[]> {
  return from === null
    ? await listPaths(repository, ['ls-tree', '-r', '-z', '--name-only', to])
    : await listPaths(repository, ['diff-tree', '-r', '-z', '--name-only', '--no-renames', from, to]);
}

/** What the file system knows that path below `folder` by. */
export function fileAt(folder: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(join(folder, '/')), Buffer.from(path, 'latin1')]);
}

/** Paths as people read them. */
export function shownPaths(paths: readonly string[]): string[] {
  return paths.map((path) => Buffer.from(path, 'latin1').toString('utf8'));
}
