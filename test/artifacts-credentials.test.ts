import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import { AgentError } from '../state/errors.ts';
import {
  deploy,
  encryptedPassword,
  failureOf,
  filesIn,
  type Instance,
  jobsIn,
  never,
  password,
  instanceTest as test,
} from './support/artifacts.ts';
import { startGitServer } from './support/git-server.ts';

const big = 4_000_000;
/** For what needs git to get going, on a machine that has other work. */
const patience = { timeout: 15_000 };

test('a password is used, and is nowhere to be seen', async ({ instance }) => {
  const { server, repository, folder, target } = instance;
  server.account = { user: 'ann', password };
  await repository.commit({ 'big.bin': randomBytes(big) });
  server.mode = { kind: 'stall', afterBytes: big / 2 };
  const artifacts = instance.artifacts();
  artifacts.want({ ...event(instance), repoUserName: 'ann', repoPassword: encryptedPassword });
  const stop = new AbortController();

  const stalled = failureOf(artifacts.fetch('1', { signal: stop.signal }));
  await expect.poll(async () => await commandLinesIn(folder), patience).toMatch(/remote-http[\s\S]*index-pack/);
  const seen = await commandLinesIn(folder);
  stop.abort();
  await stalled;
  server.mode = { kind: 'serve' };
  await artifacts.place(await artifacts.fetch('1', { signal: never }), { signal: never });

  expect(await filesIn(target)).toMatchObject({ 'index.html': 'first' });
  const config = await readFile(join(target, '.git/config'), 'utf8');
  const secrets = [password, encodeURIComponent(password), Buffer.from(`ann:${password}`).toString('base64')];
  for (const secret of [...secrets, encryptedPassword]) {
    expect(seen).not.toContain(secret);
    expect(config).not.toContain(secret);
    expect(instance.logged()).not.toContain(secret);
  }
});

test('a user and password in the URL are used, and stay out of the configuration', async ({ instance }) => {
  const { server, repository, target } = instance;
  server.account = { user: 'ann', password };

  await deploy(instance.artifacts(), withUser(repository.url, `ann:${encodeURIComponent(password)}`));

  expect(await filesIn(target)).toMatchObject({ 'index.html': 'first' });
  expect(await readFile(join(target, '.git/config'), 'utf8')).not.toContain('ann');
});

test('a password that changed is used from then on, without another URL', async ({ instance }) => {
  const { server, repository } = instance;
  const artifacts = instance.artifacts();
  server.account = { user: 'ann', password: 'old' };
  await deploy(artifacts, withUser(repository.url, 'ann:old'));
  server.account = { user: 'ann', password: 'new' };
  await repository.commit({ 'index.html': 'second' });

  const error = await failureOf(artifacts.fetch('1', { signal: never }));
  expect(error).toMatchObject({ code: 'ARTIFACT_FETCH_FAILED', remedy: expect.stringContaining('password') });

  await deploy(artifacts, withUser(repository.url, 'ann:new'));
  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'second' });
});

test('a wrong password is a failure that says so, and prints no secret', async ({ instance }) => {
  const { server, repository } = instance;
  server.account = { user: 'ann', password };

  const error = await failureOf(deploy(instance.artifacts(), withUser(repository.url, 'ann:hunter2')));

  expect(error).toBeInstanceOf(AgentError);
  expect(error).toMatchObject({
    code: 'ARTIFACT_CLONE_FAILED',
    message: `cannot clone ${repository.url}`,
    remedy: expect.stringContaining('password'),
    facts: { tenantId: '1', repoUrl: repository.url, path: instance.target },
  });
  const printed = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify((error as AgentError).facts);
  expect(printed).not.toContain('hunter2');
  expect(printed).not.toContain(Buffer.from('ann:hunter2').toString('base64'));
});

test('what is in the query of a URL is not told', async ({ instance }) => {
  const { server, repository } = instance;
  server.mode = { kind: 'status', status: 500 };

  const failure = await failureOf(deploy(instance.artifacts(), `${repository.url}?token=${password}`));

  expect(inspect(failure, { depth: 9 })).toContain('[redacted]');
  expect(`${inspect(failure, { depth: 9 })}${instance.logged()}`).not.toContain(password);
});

test('when a password is refused, no program but git is run to ask for another', async ({ instance }) => {
  const { server, repository, folder } = instance;
  server.account = { user: 'ann', password };
  const programs = join(folder, 'bin');
  await mkdir(programs);
  for (const name of ['true', 'false', 'echo', 'ssh-askpass']) {
    await writeFile(join(programs, name), `#!/bin/sh\nprintenv > ${programs}/$(basename $0).asked\n`, { mode: 0o755 });
  }
  const environment = { ...process.env, PATH: `${programs}:${process.env['PATH']}` };

  await failureOf(deploy(instance.artifacts({ environment }), withUser(repository.url, 'ann:hunter2')));

  expect((await readdir(programs)).filter((name) => name.endsWith('.asked'))).toEqual([]);
});

test('a password for a repository that takes none does no harm', async ({ instance }) => {
  const { server, repository } = instance;
  server.mode = { kind: 'serve' };

  await deploy(instance.artifacts(), withUser(repository.url, 'ann:whatever'));

  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'first' });
});

test('a user whose password is refused is let in where everybody is', async ({ instance }) => {
  const picky = await startGitServer();
  onTestFinished(async () => await picky[Symbol.asyncDispose]());
  picky.refusesCredentials = true;
  const open = await picky.createRepository('open.git');
  await open.commit({ 'index.html': 'open' });

  await deploy(instance.artifacts(), withUser(open.url, 'ann:whatever'));

  expect(await filesIn(instance.target)).toEqual({ 'index.html': 'open' });
});

test('a password is not sent to where the server redirects', async ({ instance }) => {
  const { server, repository } = instance;
  const other = await startGitServer();
  onTestFinished(async () => await other[Symbol.asyncDispose]());
  server.mode = { kind: 'redirect', to: other.url };

  const error = await failureOf(deploy(instance.artifacts(), withUser(repository.url, 'ann:hunter2')));

  expect(error).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED', remedy: expect.stringContaining('redirect') });
  expect(other.requests.filter(({ authorization }) => authorization !== null)).toEqual([]);
});

function event({ repository }: Instance) {
  return { repoURL: repository.url, tenantId: '1' };
}

function withUser(url: string, userInfo: string): string {
  return url.replace('://', `://${userInfo}@`);
}

async function commandLinesIn(folder: string): Promise<string> {
  return (await jobsIn(folder)).map(({ commandLine }) => commandLine.replaceAll('\0', ' ')).join('\n');
}
