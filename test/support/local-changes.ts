import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGit, type Git } from '../../agent/artifacts/git/git.ts';
import {
  configure,
  initRepository,
  isOurs,
  type Repository,
  readCommits,
  removeDebris,
  repositoryIn,
} from '../../agent/artifacts/git/repository.ts';
import { commitLocal, commitMessage } from '../../agent/artifacts/local/commit.ts';
import { type Reconciled, reconcile } from '../../agent/artifacts/local/reconcile.ts';
import { type DriftPolicy, placeCommit } from '../../agent/artifacts/place/place.ts';
import type { Log } from '../../agent/log.ts';
import { createRepository, type TestRepository } from './git-server.ts';

const execute = promisify(execFile);

export const identity = { name: 'Shop instance', email: 'shop@example.org' };
const nobodyListens = { warn: () => {}, info: () => {} } as unknown as Log;

/** A clone in place, and what the agent does with it. */
export interface Place {
  readonly target: string;
  readonly url: string;
  readonly branch?: string | null;
  readonly log?: Log;
  readonly git?: Git;
}

/** Where local changes are made: a place, and the repository it is a clone of, which takes pushes. */
export interface Site {
  readonly folder: string;
  readonly place: Place;
  readonly remote: TestRepository;
  /** Of the remote's newest commit. */
  remoteFiles(): Promise<Record<string, string>>;
  /** Commits what others do, upon what the remote has. */
  commitThere(files: Readonly<Record<string, string | null>>): Promise<string>;
}

/** A site whose repository has a first commit, which is in place. */
export async function createSite(folder: string): Promise<Site> {
  const bare = join(folder, 'shop.git');
  const remote = await createRepository(bare, bare);
  await remote.commit({ 'index.html': 'first', 'lib/a.txt': 'a', 'lib/b.txt': 'b', 'run.sh': '#!/bin/sh\n' });
  const place = { target: join(folder, 'www'), url: bare };
  await mkdir(place.target);
  await look(place);
  return {
    folder,
    place,
    remote,
    remoteFiles: async () => await filesOf(remote),
    commitThere: async (files) => {
      await remote.git('reset', '--hard', '--quiet');
      return await remote.commit(files);
    },
  };
}

/** The clone, as a part of the agent is given it. */
export function cloneOf({ target, git = createGit({ protocols: ['file', 'http'], environment: process.env }) }: Place) {
  return repositoryIn(target, git, { tree: target, signal: new AbortController().signal });
}

/** A periodic look with commits on, in the order of the agent; without an earlier run's leftovers. */
export async function look(place: Place, options: { drift?: DriftPolicy } = {}): Promise<Reconciled> {
  const { target, url, log = nobodyListens } = place;
  const repository = cloneOf(place);
  if (await isOurs(target)) await removeDebris(target);
  else await initRepository(repository, { branch: null });
  await configure(repository, url);
  await commit(place);
  const result = await bringToRemote(place, await fetch(repository, place));
  await placeCommit(repository, result.newCommit, { log, ...options });
  return result;
}

export async function commit(place: Place): Promise<string | null> {
  const { target, log = nobodyListens } = place;
  return await commitLocal(cloneOf(place), { identity, message: commitMessage({ tenantId: '1', path: target }), log });
}

export async function bringToRemote(
  place: Place,
  fetched: string,
  more: { refetch?: () => Promise<string> } = {},
): Promise<Reconciled> {
  const { target, url, branch = null } = place;
  const repository = cloneOf(place);
  const involved = { tenantId: '1', repoUrl: url, path: target };
  const refetch = () => fetch(repository, place);
  return await reconcile(repository, { fetched, branch, credential: null, identity, involved, refetch, ...more });
}

export async function fetch(repository: Repository, { branch = null }: Place): Promise<string> {
  await repository.run([
    'fetch',
    '--quiet',
    '--no-tags',
    'origin',
    `+${branch ?? 'HEAD'}:refs/cartridge-agent/fetched`,
  ]);
  const { fetched } = await readCommits(repository);
  if (fetched === null) throw new Error('fetched nothing');
  return fetched;
}

/** git, as somebody who works in the clone runs it. */
export async function gitIn(folder: string, ...args: string[]): Promise<string> {
  const named = ['-c', 'user.name=Operator', '-c', 'user.email=op@example.org', '-c', 'protocol.file.allow=always'];
  return (await execute('git', [...named, ...args], { cwd: folder })).stdout.trim();
}

/** What an agent must not leave in a clone. */
export async function leftoversIn(target: string): Promise<string[]> {
  const names = await readdir(join(target, '.git'), { recursive: true });
  const refs = await gitIn(target, 'for-each-ref', '--format=%(refname:short)', 'refs/cartridge-agent');
  const known = ['cartridge-agent/fetched', 'cartridge-agent/placed'];
  return [
    ...names.filter((name) => /\.lock$|cartridge-agent-index|tmp_obj|worktrees/.test(name)),
    ...refs.split('\n').filter((ref) => !known.includes(ref) && !ref.startsWith('cartridge-agent/replaced/')),
  ];
}

async function filesOf(remote: TestRepository): Promise<Record<string, string>> {
  const names = (await remote.git('ls-tree', '-r', '-z', '--name-only', 'HEAD'))
    .split('\0')
    .filter((name) => name !== '');
  const contents = await Promise.all(names.map(async (name) => await remote.git('show', `HEAD:${name}`)));
  return Object.fromEntries(names.map((name, index) => [name, contents[index] ?? '']));
}
