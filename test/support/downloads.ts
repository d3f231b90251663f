import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'vitest';
import type { Download } from '../../agent/artifacts/download/download.ts';
import { createGit } from '../../agent/artifacts/git/git.ts';
import { configure, initRepository, type Repository, repositoryIn } from '../../agent/artifacts/git/repository.ts';
import type { SshFiles } from '../../agent/artifacts/git/ssh.ts';
import { type GitServer, startGitServer, type TestRepository } from './git-server.ts';

const execute = promisify(execFile);

/** All of the default branch. */
export const everything: Download = { ref: null, credential: null, isShallow: false, limits: { maxBytes: null } };

/** A git server with one repository, and an empty clone of it as the agent makes them. */
export interface Stage {
  readonly server: GitServer;
  readonly remote: TestRepository;
  readonly firstCommit: string;
  readonly clone: Repository;
  /** A folder of its own, removed afterwards. */
  readonly folder: string;
}

export const downloadTest = test.extend<{ stage: Stage }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  stage: async ({}, use) => {
    await using server = await startGitServer();
    const remote = await server.createRepository('shop.git');
    const firstCommit = await remote.commit({ 'index.html': 'first' });
    const folder = await mkdtemp(join(tmpdir(), 'downloads-'));
    const clone = await createClone(join(folder, 'clone'), remote.url);
    await use({ server, remote, firstCommit, clone, folder });
    await rm(folder, { recursive: true, force: true });
  },
});

/** An empty clone of ours, in a folder that is not there yet. */
export async function createClone(
  folder: string,
  url: string,
  { ssh, signal = new AbortController().signal }: { ssh?: SshFiles; signal?: AbortSignal } = {},
): Promise<Repository> {
  const git = createGit({ protocols: ['http', 'ssh', 'file'], environment: process.env, ...(ssh && { ssh }) });
  const clone = repositoryIn(folder, git, { tree: folder, signal });
  await mkdir(folder, { recursive: true });
  await initRepository(clone, { branch: null });
  await configure(clone, url);
  return clone;
}

/** What git prints in the clone, as somebody who looks at it sees it. */
export async function look({ folder }: Repository, ...args: string[]): Promise<string> {
  return (await execute('git', args, { cwd: folder })).stdout.trim();
}

/** Packs and loose objects, finished or not, with their folders. */
export async function objectsIn({ folder }: Repository): Promise<string[]> {
  return (await readdir(join(folder, '.git/objects'), { recursive: true })).sort();
}

/** A disk of its own, where disks can be mounted; gone when disposed. */
export async function mountDisk(
  size: string,
): Promise<AsyncDisposable & { readonly folder: string; freeBytes(): Promise<number> }> {
  const folder = await mkdtemp(join(tmpdir(), 'disk-'));
  await execute('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  return {
    folder,
    async freeBytes() {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
    async [Symbol.asyncDispose]() {
      await execute('umount', ['--lazy', folder]);
      await rm(folder, { recursive: true });
    },
  };
}
