import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import {
  deploy,
  failureOf,
  filesIn,
  type Instance,
  jobsIn,
  never,
  instanceTest as test,
  writeFiles,
} from '../support/artifacts.ts';
import { startGitServer } from '../support/git-server.ts';

const big = 4_000_000;
/** For what needs git to get going, on a machine that has other work. */
const patience = { timeout: 15_000 };

test.for([
  { status: 401, says: 'password' },
  { status: 403, says: 'password' },
  { status: 404, says: 'no such repository' },
  { status: 500, says: 'reach the git server' },
  // A page of a portal that wants people to log in.
  { status: 200, says: 'no such repository' },
])('a server that answers $status: the remedy speaks of $says', async ({ status, says }, { instance }) => {
  instance.server.mode = { kind: 'status', status };

  const error = await failureOf(deploy(instance.artifacts(), instance.repository.url));

  expect(error).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED', remedy: expect.stringContaining(says) });
});

test('a server that is not there: the remedy speaks of reaching it', async ({ instance }) => {
  const gone = await startGitServer();
  await gone[Symbol.asyncDispose]();

  const error = await failureOf(deploy(instance.artifacts(), `${gone.url}/a.git`));

  expect(error).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED', remedy: expect.stringContaining('reach') });
});

test('an abort ends a clone that hangs, with all its processes', async ({ instance }) => {
  const { server, folder, target } = instance;
  server.mode = { kind: 'hang' };
  const artifacts = instance.artifacts();
  artifacts.want(event(instance));
  const stop = new AbortController();
  const reason = new Error('cleanup came');

  const hanging = failureOf(artifacts.fetch('1', { signal: stop.signal }));
  await expect.poll(async () => await commandLinesIn(folder), patience).toContain('remote-http');
  const startedMs = performance.now();
  stop.abort(reason);

  expect(await hanging).toBe(reason);
  expect(performance.now() - startedMs).toBeLessThan(3_000);
  expect(await jobsIn(folder)).toEqual([]);
  expect(await readdir(join(target, '..'))).toEqual(['www']);
});

test('an abort ends an update in mid-pack, and the next one works', async ({ instance }) => {
  const { server, repository, folder, target } = instance;
  const artifacts = instance.artifacts();
  await deploy(artifacts, repository.url);
  const many = Array.from({ length: 150 }, (_, index) => [`${index}.bin`, randomBytes(big / 150)]);
  await repository.commit({ 'index.html': 'second', ...Object.fromEntries(many) });
  server.mode = { kind: 'stall', afterBytes: big / 2 };
  const stop = new AbortController();

  const stalled = failureOf(artifacts.fetch('1', { signal: stop.signal }));
  await expect.poll(async () => await commandLinesIn(folder), patience).toContain('index-pack');
  stop.abort();
  await stalled;

  expect(await jobsIn(folder)).toEqual([]);
  expect(await filesIn(target)).toEqual({ 'index.html': 'first', 'lib/a.txt': 'a' });
  server.mode = { kind: 'serve' };
  await deploy(artifacts, repository.url);
  expect(await readFile(join(target, 'index.html'), 'utf8')).toBe('second');
});

test('a job that takes too long is ended, with all its processes', async ({ instance }) => {
  instance.server.mode = { kind: 'hang' };

  const error = await failureOf(deploy(instance.artifacts({ timeoutMs: 700 }), instance.repository.url));

  expect(error).toMatchObject({ code: 'ARTIFACT_TIMEOUT', facts: { timeoutMs: 700 } });
  expect(await jobsIn(instance.folder)).toEqual([]);
});

test('an abort before the start starts nothing', async ({ instance }) => {
  const artifacts = instance.artifacts();
  artifacts.want(event(instance));

  await failureOf(artifacts.fetch('1', { signal: AbortSignal.abort() }));

  expect(instance.server.requests).toEqual([]);
});

test('an abort while waiting for another job on the path does not disturb that one', async ({ instance }) => {
  const artifacts = instance.artifacts();
  artifacts.want(event(instance));
  const stop = new AbortController();

  const first = artifacts.fetch('1', { signal: never });
  const second = artifacts.fetch('1', { signal: stop.signal });
  stop.abort();

  await expect(second).rejects.toMatchObject({ name: 'AbortError' });
  expect(await first).toMatchObject({ newCommit: instance.firstCommit });
});

test('a server that dies in mid-pack leaves the old content, and no staging', async ({ instance }) => {
  const { server, repository, target } = instance;
  await writeFiles(target, { 'index.html': 'from the image' });
  await repository.commit({ 'big.bin': randomBytes(big) });
  server.mode = { kind: 'die', afterBytes: big / 2 };

  const error = await failureOf(deploy(instance.artifacts(), repository.url));

  expect(error).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED' });
  expect(await filesIn(target)).toEqual({ 'index.html': 'from the image' });
  expect(await readdir(target)).toEqual(['index.html']);
  expect(await readdir(join(target, '..'))).toEqual(['www']);
});

test('what an agent that was killed left running is ended by the next one', async ({ instance }) => {
  const { server, repository, folder } = instance;
  server.mode = { kind: 'hang' };
  const killed = instance.artifacts();
  killed.want(event(instance));
  const abandoned = failureOf(killed.fetch('1', { signal: never }));
  await expect.poll(async () => await commandLinesIn(folder), patience).toContain('remote-http');

  server.mode = { kind: 'serve' };
  await deploy(instance.artifacts(), repository.url);

  expect(await jobsIn(folder)).toEqual([]);
  await abandoned;
  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'first' });
});

test('a state.dir that cannot be made is no reason not to have the artifact', async ({ instance }) => {
  await writeFiles(instance.folder, { state: 'not a folder' });

  await deploy(instance.artifacts(), instance.repository.url);

  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'first' });
});

test('an event that cannot be used leaves the one before in force', async ({ instance }) => {
  const artifacts = instance.artifacts();
  artifacts.want(event(instance));

  expect(() => artifacts.want({ repoURL: 'ext::sh', tenantId: '1' })).toThrow();

  expect(await artifacts.fetch('1', { signal: never })).toMatchObject({ newCommit: instance.firstCommit });
});

test('a server that hangs is not waited for when another URL is wanted', async ({ instance }) => {
  await using other = await startGitServer();
  const repository = await other.createRepository('moved.git');
  const commit = await repository.commit({ 'index.html': 'moved' });
  instance.server.mode = { kind: 'hang' };
  const artifacts = instance.artifacts();
  artifacts.want(event(instance));
  const fetching = artifacts.fetch('1', { signal: never });
  await expect.poll(() => instance.server.requests.length).toBe(1);

  artifacts.want(event(instance));
  artifacts.want({ repoURL: repository.url, tenantId: '1' });

  expect(await fetching).toMatchObject({ repoUrl: repository.url, newCommit: commit });
  expect(instance.server.requests).toHaveLength(1);
  expect(await jobsIn(instance.folder)).toEqual([]);
});

test('a tenant no event has named is a failure that says so', async ({ instance }) => {
  const error = await failureOf(instance.artifacts().fetch('7', { signal: never }));

  expect(error).toMatchObject({ code: 'ARTIFACT_UNKNOWN', facts: { tenantId: '7' } });
});

test('an instance without git says so', async ({ instance }) => {
  const error = await failureOf(
    deploy(instance.artifacts({ environment: { PATH: '/nowhere' } }), event(instance).repoURL),
  );

  expect(error).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED', remedy: expect.stringContaining('Install git') });
});

function event({ repository }: Instance) {
  return { repoURL: repository.url, tenantId: '1' };
}

async function commandLinesIn(folder: string): Promise<string> {
  return (await jobsIn(folder)).map(({ commandLine }) => commandLine.replaceAll('\0', ' ')).join('\n');
}
