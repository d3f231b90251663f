import { closeSync, openSync, readFileSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'vitest';
import { type Artifacts, type ArtifactsConfig, createArtifacts } from '../../agent/artifacts/artifacts.ts';
import type { Fetched } from '../../agent/artifacts/fetched.ts';
import { createLog } from '../../agent/log.ts';
import { defaults, key } from './artifact-config.ts';
import { type GitServer, startGitServer, type TestRepository } from './git-server.ts';

export { key };
/** What the key encrypts, from protocol.md 8.6. */
export const password = 's3cret-P@ss';
export const encryptedPassword = 'devsCWCu8q8n31QXH4F7YA==';
export const never = new AbortController().signal;

/** An instance that serves `target`, and a git server with one repository that has an `index.html`. */
export interface Instance {
  readonly server: GitServer;
  readonly repository: TestRepository;
  readonly firstCommit: string;
  /** A folder of its own, removed afterwards; `target` and `stateDir` are in it, and not made yet. */
  readonly folder: string;
  readonly target: string;
  readonly stateDir: string;
  /** Starts the artifacts of an agent; a second one is the agent after a restart. */
  artifacts(changed?: Partial<ArtifactsConfig> & { multiTenant?: boolean; environment?: NodeJS.ProcessEnv }): Artifacts;
  /** All lines logged, as text. */
  logged(): string;
}

export const instanceTest = test.extend<{ instance: Instance }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  instance: async ({}, use) => {
    await using server = await startGitServer();
    const folder = await mkdtemp(join(tmpdir(), 'instance-'));
    const repository = await server.createRepository('shop.git');
    const firstCommit = await repository.commit({ 'index.html': 'first', 'lib/a.txt': 'a' });
    const target = join(folder, 'srv', 'www');
    const stateDir = join(folder, 'state');
    const logFile = openSync(join(folder, 'log'), 'a+');
    const log = createLog({ level: 'trace', pretty: false, colour: false, output: logFile });
    await use({
      ...{ server, repository, firstCommit, folder, target, stateDir },
      artifacts: ({ multiTenant = false, environment = process.env, ...changed } = {}) => {
        const config = { ...defaults, path: target, ...changed };
        return createArtifacts({ config, multiTenant, stateDir, log, environment });
      },
      logged: () => readFileSync(join(folder, 'log'), 'utf8'),
    });
    closeSync(logFile);
    await rm(folder, { recursive: true, force: true });
  },
});

/** What the agent does at ArtifactUpdated, without the hooks. */
export async function deploy(artifacts: Artifacts, repoURL: string, tenantId = '1'): Promise<Fetched> {
  artifacts.want({ repoURL, tenantId });
  const fetched = await artifacts.fetch(tenantId, { signal: never });
  await artifacts.place(fetched, { signal: never });
  return fetched;
}

/** Writes files as somebody else than the agent does. */
export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

/** All files below the folder but those of git, with what is in them. */
export async function filesIn(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder, { recursive: true });
  const files: Record<string, string> = {};
  for (const name of names.sort()) {
    if (name === '.git' || name.startsWith('.git/')) continue;
    if ((await lstat(join(folder, name))).isFile()) files[name] = await readFile(join(folder, name), 'utf8');
  }
  return files;
}

/** What was thrown; fails when nothing was. */
export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => {
      throw new Error('nothing was thrown');
    },
    (error: unknown) => error,
  );
}

/** Command lines and environments of all processes that work for agents of this folder. */
export async function jobsIn(folder: string): Promise<{ commandLine: string; environment: string }[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const processes = await Promise.all(
    ids.map(async (id) => {
      const read = async (file: string) => await readFile(`/proc/${id}/${file}`, 'utf8').catch(() => '');
      return { commandLine: await read('cmdline'), environment: await read('environ') };
    }),
  );
  return processes.filter(
    ({ environment }) => environment.includes('CARTRIDGE_AGENT_JOB=') && environment.includes(folder),
  );
}
