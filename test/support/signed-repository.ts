import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'vitest';
import { createGit } from '../../agent/artifacts/git/git.ts';
import { type Repository, repositoryIn } from '../../agent/artifacts/git/repository.ts';

const execute = promisify(execFile);

/** A repository whose commits and tags can be signed, and the file that says whose signatures count. */
export interface SignedRepository {
  /** Holds all the rest, and is removed afterwards. */
  readonly folder: string;
  /** Lists `ann`, and `old` whose key was valid until 2020; not `eve`. */
  readonly signersFile: string;
  /** Runs git as a person does; returns what it says, without the last line feed. */
  git(args: readonly string[], input?: string): Promise<string>;
  /** @param signer - whose key signs; null: nobody's */
  commit(subject: string, signer: 'ann' | 'eve' | 'old' | null): Promise<string>;
  tag(name: string, object: string, signer: 'ann' | 'eve' | null): Promise<void>;
  /** Type and key, as in a file of signers. */
  publicKey(signer: 'ann' | 'eve' | 'old'): Promise<string>;
  /** As the agent sees it. */
  repository(options?: { path?: string; signal?: AbortSignal }): Repository;
}

export const signedTest = test.extend<{ signed: SignedRepository }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  signed: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'signed-'));
    await use(await signedRepositoryIn(folder));
    await rm(folder, { recursive: true, force: true });
  },
});

async function signedRepositoryIn(folder: string): Promise<SignedRepository> {
  const files = join(folder, 'files');
  const signersFile = join(folder, 'signers');
  const env = {
    ...{ PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_NOSYSTEM: '1' },
    ...{ GIT_AUTHOR_NAME: 'Ann', GIT_AUTHOR_EMAIL: 'ann@example.org' },
    ...{ GIT_COMMITTER_NAME: 'Ann', GIT_COMMITTER_EMAIL: 'ann@example.org' },
  };
  const git = async (args: readonly string[], input?: string) => {
    const running = execute('git', args, { cwd: files, env, maxBuffer: 1e8 });
    running.child.stdin?.on('error', () => {}).end(input ?? ''); // Most commands of git do not read it.
    return (await running).stdout.replace(/\n$/, '');
  };
  const key = (signer: string) => join(folder, `key-${signer}`);
  const signing = (signer: string) => ['-c', 'gpg.format=ssh', '-c', `user.signingKey=${key(signer)}`];
  const publicKey = async (signer: string) => {
    const { stdout } = await execute('ssh-keygen', ['-y', '-f', key(signer)]);
    return stdout.trim().split(' ').slice(0, 2).join(' ');
  };

  await mkdir(files);
  await git(['init', '--quiet', '--initial-branch=main']);
  const names = ['ann', 'eve', 'old'];
  await Promise.all(
    names.map((name) => execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key(name)])),
  );
  const old = `old@example.org valid-before="20200101" ${await publicKey('old')}\n`;
  await writeFile(signersFile, `ann@example.org namespaces="git" ${await publicKey('ann')}\n${old}`);

  return {
    folder,
    signersFile,
    git,
    publicKey,
    async commit(subject, signer) {
      const sign = signer === null ? [] : signing(signer);
      const how = ['commit', '--quiet', '--allow-empty', '-m', subject, signer === null ? '--no-gpg-sign' : '-S'];
      await git([...sign, ...how]);
      return await git(['rev-parse', 'HEAD']);
    },
    async tag(name, object, signer) {
      const how = signer === null ? ['tag', '-a'] : [...signing(signer), 'tag', '-s'];
      await git([...how, '-m', `release ${name}`, name, object]);
    },
    repository({ path = process.env['PATH'] ?? '', signal = new AbortController().signal } = {}) {
      const agentGit = createGit({ protocols: ['https'], environment: { PATH: path, HOME: folder } });
      return repositoryIn(files, agentGit, { tree: folder, signal });
    },
  };
}
