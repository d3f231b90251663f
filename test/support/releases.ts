import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'vitest';
import { createGit } from '../../agent/artifacts/git/git.ts';
import { isOurs, type Repository, repositoryIn } from '../../agent/artifacts/git/repository.ts';
import { openReleases, type Releases } from '../../agent/artifacts/releases/releases.ts';
import { createLog, type Log } from '../../agent/log.ts';
import { never } from './artifacts.ts';
import { createRepository, type TestRepository } from './git-server.ts';

const execute = promisify(execFile);
const program = new URL('./content-worker.ts', import.meta.url).pathname;

/** A place to serve from, and a repository to serve; `place` is not made yet. */
export interface Site {
  readonly folder: string;
  readonly place: string;
  readonly origin: TestRepository;
  readonly log: Log;
  logged(): string;
}

export const siteTest = test.extend<{ site: Site }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  site: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'site-'));
    const origin = await createRepository(join(folder, 'origin.git'), 'file');
    const output = openSync(join(folder, 'log'), 'a+');
    const log = createLog({ level: 'trace', pretty: false, colour: false, output });
    const logged = () => readFileSync(join(folder, 'log'), 'utf8');
    await use({ folder, place: join(folder, 'srv', 'www'), origin, log, logged });
    await rm(folder, { recursive: true, force: true });
  },
});

/** A clone of ours, as the agent keeps one; all commits of the origin are in it. */
export async function cloneTo(folder: string, origin: TestRepository): Promise<Repository> {
  if (!(await isOurs(folder))) {
    await execute('git', ['clone', '--quiet', '--no-checkout', origin.folder, folder]);
    await writeFile(join(folder, '.git', 'cartridge-agent'), 'made by cartridge-agent\n');
  }
  await execute('git', ['-C', folder, 'fetch', '--quiet']);
  const git = createGit({ protocols: ['file'], environment: process.env });
  return repositoryIn(folder, git, { tree: folder, signal: never });
}

/** Opens the releases of the site, with all that is in its origin fetched. */
export async function open(site: Site, { keep = 3 } = {}): Promise<{ releases: Releases; repository: Repository }> {
  const releases = await openReleases({ path: site.place, keep, log: site.log });
  return { releases, repository: await cloneTo(releases.repositoryFolder, site.origin) };
}

/** As the agent does when all goes well. */
export async function serve(site: Site, commit: string, { keep = 3 } = {}): Promise<Releases> {
  const { releases, repository } = await open(site, { keep });
  await releases.write(repository, commit, { signal: never });
  await releases.switchTo(commit);
  await releases.markGood(commit);
  await releases.prune(repository);
  return releases;
}

/** A process that does that work, to be killed where `fault` says; returns what ended it. */
export async function work(orders: readonly string[], fault = ''): Promise<string> {
  const child = spawn(process.execPath, [program, ...orders], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, CARTRIDGE_AGENT_FAULT: fault },
  });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal === null && code !== 0) throw new Error(Buffer.concat(said).toString());
  return signal ?? 'done';
}

/** The points that this work passes, in order. */
export async function pointsOf(orders: readonly string[], file: string): Promise<string[]> {
  await work(orders, `count:${file}`);
  return readFileSync(file, 'utf8').trim().split('\n');
}
