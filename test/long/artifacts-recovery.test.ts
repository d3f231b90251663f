import { execFile } from 'node:child_process';
import { lstat, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { deploy, failureOf, filesIn, never, instanceTest as test, writeFiles } from '../support/artifacts.ts';

const execute = promisify(execFile);

test('a clone somebody else made is set aside, and reported', async ({ instance }) => {
  const { repository, target, stateDir } = instance;
  await execute('git', ['clone', '--quiet', repository.url, target]);
  const canary = join(instance.folder, 'canary');
  await git(target, 'config', 'core.fsmonitor', `touch ${canary}`);

  const fetched = await deploy(instance.artifacts(), repository.url);

  expect(fetched.oldCommit).toBeNull();
  expect(instance.logged()).toContain('"event":"artifact.set-aside"');
  const [aside = ''] = await readdir(join(stateDir, 'set-aside'));
  expect(await readFile(join(stateDir, 'set-aside', aside, 'git/config'), 'utf8')).toContain('fsmonitor');
  await expect(lstat(canary)).rejects.toThrow('ENOENT');
});

test('nothing that was put into the configuration of the clone is run', async ({ instance }) => {
  const artifacts = instance.artifacts();
  await deploy(artifacts, instance.repository.url);
  const canary = join(instance.folder, 'canary');
  await git(instance.target, 'config', 'core.fsmonitor', `touch ${canary}`);
  await git(instance.target, 'config', 'filter.x.smudge', `touch ${canary}`);
  await writeFiles(instance.target, { '.git/hooks/reference-transaction': `#!/bin/sh\ntouch ${canary}\n` });
  await execute('chmod', ['+x', join(instance.target, '.git/hooks/reference-transaction')]);
  await instance.repository.commit({ 'index.html': 'second', '.gitattributes': '* filter=x\n' });

  await deploy(artifacts, instance.repository.url);

  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'second' });
  await expect(lstat(canary)).rejects.toThrow('ENOENT');
});

test('a damaged clone is made again', async ({ instance }) => {
  const { repository, target, firstCommit } = instance;
  await deploy(instance.artifacts(), repository.url);
  for (const name of await readdir(join(target, '.git/objects'), { recursive: true })) {
    const file = join(target, '.git/objects', name);
    if ((await stat(file)).isFile()) await truncate(file);
  }
  const secondCommit = await repository.commit({ 'index.html': 'second' });

  const fetched = await deploy(instance.artifacts(), repository.url);

  expect(fetched.newCommit).toBe(secondCommit);
  expect(secondCommit).not.toBe(firstCommit);
  expect(await filesIn(target)).toEqual({ 'index.html': 'second', 'lib/a.txt': 'a' });
});

test('a clone that lost a file between fetch and place is made again', async ({ instance }) => {
  const { repository, target } = instance;
  const artifacts = instance.artifacts();
  await deploy(artifacts, repository.url);
  const packs = join(target, '.git/objects/pack');
  const older = await readdir(packs);
  await repository.commit({ 'index.html': 'second' });
  const fetched = await artifacts.fetch('1', { signal: never });
  const newer = (await readdir(packs)).filter((name) => name.endsWith('.pack') && !older.includes(name));
  expect(newer).toHaveLength(1);
  for (const name of newer) await rm(join(packs, name));

  expect(await failureOf(artifacts.place(fetched, { signal: never }))).toMatchObject({ code: 'ARTIFACT_PLACE_FAILED' });
  await deploy(artifacts, repository.url);

  expect(await filesIn(target)).toMatchObject({ 'index.html': 'second' });
});

test('locks and stagings of an agent that was killed do not stop the next one', async ({ instance }) => {
  const { repository, target } = instance;
  await deploy(instance.artifacts(), repository.url);
  const artifacts = instance.artifacts();
  artifacts.want({ repoURL: repository.url, tenantId: '1' });
  await rm(join(target, '.git'), { recursive: true });
  await artifacts.fetch('1', { signal: never });
  expect(await readdir(join(target, '..'))).toHaveLength(2);

  await deploy(instance.artifacts(), repository.url);
  expect(await readdir(join(target, '..'))).toEqual(['www']);

  await writeFiles(target, { '.git/index.lock': '', '.git/refs/heads/master.lock': '', '.git/HEAD.lock': '' });
  await repository.commit({ 'index.html': 'second' });
  await deploy(instance.artifacts(), repository.url);
  expect(await filesIn(target)).toMatchObject({ 'index.html': 'second' });
});

test('a first commit that was fetched before a restart has to be fetched again', async ({ instance }) => {
  const before = instance.artifacts();
  before.want({ repoURL: instance.repository.url, tenantId: '1' });
  const fetched = await before.fetch('1', { signal: never });
  const after = instance.artifacts();
  after.want({ repoURL: instance.repository.url, tenantId: '1' });

  for (const gone of [join(instance.target, '.git'), instance.target]) {
    await rm(gone, { recursive: true, force: true });
    const error = await failureOf(after.place(fetched, { signal: never }));
    expect(error).toMatchObject({ code: 'ARTIFACT_PLACE_FAILED' });
  }

  await deploy(after, instance.repository.url);
  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'first' });
});

test('placing twice is safe', async ({ instance }) => {
  const artifacts = instance.artifacts();
  const fetched = await deploy(artifacts, instance.repository.url);

  await artifacts.place(fetched, { signal: never });

  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'first' });
});

async function git(folder: string, ...args: string[]): Promise<string> {
  return (await execute('git', args, { cwd: folder })).stdout;
}
