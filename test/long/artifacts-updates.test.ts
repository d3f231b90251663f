import { execFile } from 'node:child_process';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { deploy, filesIn, never, instanceTest as test, writeFiles } from '../support/artifacts.ts';

const execute = promisify(execFile);

test('an update adds, changes and removes what the commits do, and says so', async ({ instance }) => {
  const { repository, firstCommit, target } = instance;
  const artifacts = instance.artifacts();
  await deploy(artifacts, repository.url);
  const secondCommit = await repository.commit({ 'index.html': 'second', 'lib/a.txt': null, 'naïve name.txt': 'é' });

  const fetched = await deploy(artifacts, repository.url);

  expect(await filesIn(target)).toEqual({ 'index.html': 'second', 'naïve name.txt': 'é' });
  expect(fetched).toMatchObject({ oldCommit: firstCommit, newCommit: secondCommit, changed: true });
  expect(fetched.changedPaths).toEqual(['index.html', 'lib/a.txt', 'naïve name.txt']);
});

test('an update works after a restart too', async ({ instance }) => {
  await deploy(instance.artifacts(), instance.repository.url);
  await instance.repository.commit({ 'index.html': 'second' });

  const fetched = await deploy(instance.artifacts(), instance.repository.url);

  expect(fetched.oldCommit).toBe(instance.firstCommit);
  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'second' });
});

test('an event without a new commit changes nothing', async ({ instance }) => {
  const artifacts = instance.artifacts();
  await deploy(artifacts, instance.repository.url);
  await writeFiles(instance.target, { 'index.html': 'edited here' });

  const fetched = await deploy(artifacts, instance.repository.url);

  expect(fetched).toMatchObject({ changed: false, changedPaths: [], newCommit: instance.firstCommit });
  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'edited here' });
});

test('a commit that was fetched and never placed is still a change', async ({ instance }) => {
  const artifacts = instance.artifacts();
  await deploy(artifacts, instance.repository.url);
  await instance.repository.commit({ 'index.html': 'second' });
  await artifacts.fetch('1', { signal: never });

  const fetched = await deploy(instance.artifacts(), instance.repository.url);

  expect(fetched).toMatchObject({ changed: true, oldCommit: instance.firstCommit });
});

test('an update keeps local changes in files it does not touch', async ({ instance }) => {
  const artifacts = instance.artifacts();
  await deploy(artifacts, instance.repository.url);
  await writeFiles(instance.target, { 'lib/a.txt': 'edited here', 'new.txt': 'written here' });
  await instance.repository.commit({ 'index.html': 'second' });

  await deploy(artifacts, instance.repository.url);

  expect(await filesIn(instance.target)).toEqual({
    'index.html': 'second',
    'lib/a.txt': 'edited here',
    'new.txt': 'written here',
  });
});

test('an update that touches locally changed files wins, and what it replaces can be had back', async ({
  instance,
}) => {
  const { repository, target } = instance;
  const artifacts = instance.artifacts();
  await repository.commit({ '.gitignore': '*.secret\n' });
  await deploy(artifacts, repository.url);
  await writeFiles(target, { 'index.html': 'edited here', 'b.secret': 'ignored', 'c/d.txt': 'below', e: 'above' });
  await repository.commit({ 'index.html': 'second', 'b.secret': 'theirs', c: 'a file now', 'e/f.txt': 'a folder now' });

  await deploy(artifacts, repository.url);

  const wins = { 'index.html': 'second', 'b.secret': 'theirs', c: 'a file now', 'e/f.txt': 'a folder now' };
  expect(await filesIn(target)).toMatchObject(wins);
  const ref = (await git(target, 'for-each-ref', '--format=%(refname)', 'refs/cartridge-agent/replaced')).trim();
  expect(instance.logged()).toContain(ref);
  expect(await git(target, 'show', `${ref}:index.html`)).toBe('edited here');
  expect(await git(target, 'show', `${ref}:b.secret`)).toBe('ignored');
  expect(await git(target, 'show', `${ref}:c/d.txt`)).toBe('below');
  expect(await git(target, 'show', `${ref}:e`)).toBe('above');
});

test('follows a history that was rewritten', async ({ instance }) => {
  const { repository, target } = instance;
  const artifacts = instance.artifacts();
  await repository.commit({ 'index.html': 'second' });
  await deploy(artifacts, repository.url);
  await repository.forget();
  const commit = await repository.commit({ 'start.html': 'anew' });

  const fetched = await deploy(artifacts, repository.url);

  expect(fetched.newCommit).toBe(commit);
  expect(await filesIn(target)).toEqual({ 'start.html': 'anew' });
});

test('local commits do not stop an update', async ({ instance }) => {
  const { repository, target } = instance;
  const artifacts = instance.artifacts();
  await deploy(artifacts, repository.url);
  await writeFiles(target, { 'index.html': 'edited here' });
  await git(target, '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '--all', '--message=here');
  await repository.commit({ 'index.html': 'second' });

  await deploy(artifacts, repository.url);

  expect(await filesIn(target)).toMatchObject({ 'index.html': 'second' });
});

test('follows the repository to another URL, and another default branch', async ({ instance }) => {
  const { repository, server, target } = instance;
  const artifacts = instance.artifacts();
  await deploy(artifacts, repository.url);
  const other = await server.createRepository('other.git');
  await other.startBranch('trunk', { asHead: true });
  await other.commit({ 'other.html': 'other' });

  const fetched = await deploy(artifacts, other.url);

  expect(fetched.repoUrl).toBe(other.url);
  expect(await filesIn(target)).toEqual({ 'other.html': 'other' });
  expect((await git(target, 'remote', 'get-url', 'origin')).trim()).toBe(other.url);
});

test('without auto.checkout a regular look brings nothing, but for what local commits are put upon', async ({
  instance,
}) => {
  const { repository, firstCommit, target } = instance;
  const artifacts = instance.artifacts({ autoCheckout: false, commitEnabled: true });
  await deploy(artifacts, repository.url);
  await repository.commit({ 'index.html': 'second' });
  const look = async () => await artifacts.fetch('1', { trigger: 'interval', signal: never });

  expect(await look()).toMatchObject({ changed: false, newCommit: firstCommit });
  await writeFiles(target, { 'new.txt': 'written here' });
  const fetched = await look();
  await artifacts.place(fetched, { signal: never });

  expect(await filesIn(target)).toMatchObject({ 'index.html': 'second', 'new.txt': 'written here' });
  expect(await repository.git('rev-parse', 'main')).toBe(fetched.newCommit);
});

test('a file whose owner or time was changed is not a local change', async ({ instance }) => {
  const { repository, target } = instance;
  const artifacts = instance.artifacts();
  await deploy(artifacts, repository.url);
  await utimes(join(target, 'index.html'), new Date(0), new Date(0));
  await repository.commit({ 'index.html': 'second' });

  await deploy(artifacts, repository.url);

  expect(await filesIn(target)).toMatchObject({ 'index.html': 'second' });
  expect(instance.logged()).not.toContain('artifact.replaced');
});

test.for(['in-place', 'releases'] as const)(
  'with %s, a regular look puts back a file whose name is not UTF-8',
  async (layout, { instance }) => {
    const { repository, target } = instance;
    const fileIn = (folder: string) => Buffer.from(`${folder}/caf\xe9.txt`, 'latin1');
    await writeFile(fileIn(`${repository.folder}.files`), 'one');
    await repository.commit({});
    const artifacts = instance.artifacts({ layout, drift: 'restore' });
    const { changedPaths } = await deploy(artifacts, repository.url);
    expect(changedPaths).toContain('caf\ufffd.txt');
    await writeFile(fileIn(target), 'edited here');

    const { drift } = await artifacts.fetch('1', { trigger: 'interval', signal: never });

    expect(drift).toEqual({ paths: ['caf\ufffd.txt'], restored: true });
    expect(await readFile(fileIn(target), 'utf8')).toBe('one');
    expect((await readdir(target, { encoding: 'latin1' })).filter((name) => name.startsWith('caf'))).toEqual([
      'caf\xe9.txt',
    ]);
  },
);

async function git(folder: string, ...args: string[]): Promise<string> {
  return (await execute('git', args, { cwd: folder })).stdout;
}
