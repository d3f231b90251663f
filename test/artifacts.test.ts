import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { deploy, failureOf, filesIn, never, instanceTest as test, writeFiles } from './support/artifacts.ts';

test('puts the default branch of the repository into a folder that is not there yet', async ({ instance }) => {
  const { repository, firstCommit, target } = instance;

  const fetched = await deploy(instance.artifacts(), repository.url);

  expect(await filesIn(target)).toEqual({ 'index.html': 'first', 'lib/a.txt': 'a' });
  expect(fetched).toEqual({
    tenantId: '1',
    path: target,
    repoUrl: repository.url,
    oldCommit: null,
    newCommit: firstCommit,
    changed: true,
    changedPaths: ['index.html', 'lib/a.txt'],
    authorDate: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    subject: 'a change',
    fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    signedBy: null,
    rejection: null,
    isRelease: false,
    drift: null,
  });
});

test('replaces files of the same name and keeps the others', async ({ instance }) => {
  await writeFiles(instance.target, { 'index.html': 'from the image', 'uploads/1.jpg': 'picture' });

  await deploy(instance.artifacts(), instance.repository.url);

  expect(await filesIn(instance.target)).toEqual({
    'index.html': 'first',
    'lib/a.txt': 'a',
    'uploads/1.jpg': 'picture',
  });
});

test('a file where the artifact has a folder, and the other way round, makes way', async ({ instance }) => {
  await writeFiles(instance.target, { lib: 'a file', 'index.html/deep/down.txt': 'a folder' });

  await deploy(instance.artifacts(), instance.repository.url);

  expect(await filesIn(instance.target)).toEqual({ 'index.html': 'first', 'lib/a.txt': 'a' });
});

test('does not write through a link to another folder', async ({ instance }) => {
  const elsewhere = join(instance.folder, 'elsewhere');
  await mkdir(elsewhere);
  await mkdir(instance.target, { recursive: true });
  await symlink(elsewhere, join(instance.target, 'lib'));

  await deploy(instance.artifacts(), instance.repository.url);

  expect(await readdir(elsewhere)).toEqual([]);
  expect(await readFile(join(instance.target, 'lib/a.txt'), 'utf8')).toBe('a');
});

test('touches no file before it is told to place the commit', async ({ instance }) => {
  await writeFiles(instance.target, { 'index.html': 'from the image' });
  const artifacts = instance.artifacts();
  artifacts.want({ repoURL: instance.repository.url, tenantId: '1' });

  const fetched = await artifacts.fetch('1', { signal: never });
  expect(await filesIn(instance.target)).toEqual({ 'index.html': 'from the image' });
  expect(await readdir(instance.target)).toEqual(['index.html']);

  await artifacts.place(fetched, { signal: never });
  expect(await filesIn(instance.target)).toEqual({ 'index.html': 'first', 'lib/a.txt': 'a' });
});

test('leaves nothing beside the target', async ({ instance }) => {
  await deploy(instance.artifacts(), instance.repository.url);

  expect(await readdir(join(instance.target, '..'))).toEqual(['www']);
});

test('follows the branch it is configured to', async ({ instance }) => {
  await instance.repository.startBranch('stable');
  await instance.repository.commit({ 'index.html': 'stable' });

  await deploy(instance.artifacts({ branch: 'stable' }), instance.repository.url);

  expect(await filesIn(instance.target)).toMatchObject({ 'index.html': 'stable' });
});

test('a branch the repository has not is a failure that names the setting', async ({ instance }) => {
  const error = await failureOf(deploy(instance.artifacts({ branch: 'gone' }), instance.repository.url));

  expect(error).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED', remedy: expect.stringContaining('artifact.branch') });
});

test('a repository without a commit is a failure that says so, until there is one', async ({ instance }) => {
  const empty = await instance.server.createRepository('empty.git');
  const artifacts = instance.artifacts();

  const error = await failureOf(deploy(artifacts, empty.url));
  expect(error).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED', remedy: expect.stringContaining('first commit') });

  await empty.commit({ 'index.html': 'at last' });
  await deploy(artifacts, empty.url);
  expect(await filesIn(instance.target)).toEqual({ 'index.html': 'at last' });
});

test('others on this machine cannot read the history', async ({ instance }) => {
  await deploy(instance.artifacts(), instance.repository.url);

  expect((await stat(join(instance.target, '.git'))).mode & 0o777).toBe(0o700);
});

test('jobs on one path wait for each other', async ({ instance }) => {
  const artifacts = instance.artifacts();

  await Promise.all(Array.from({ length: 5 }, () => deploy(artifacts, instance.repository.url)));

  expect(await filesIn(instance.target)).toEqual({ 'index.html': 'first', 'lib/a.txt': 'a' });
  expect(await readdir(join(instance.target, '..'))).toEqual(['www']);
});

test('tenants of a multi-tenant service have a path each', async ({ instance }) => {
  const { repository, server, target } = instance;
  const artifacts = instance.artifacts({ multiTenant: true });
  const other = await server.createRepository('other.git');
  await other.commit({ 'other.html': 'other' });

  await Promise.all([deploy(artifacts, repository.url, '-1234'), deploy(artifacts, other.url, '5')]);

  expect(await filesIn(join(target, 'repository/deployment/server'))).toMatchObject({ 'index.html': 'first' });
  expect(await filesIn(join(target, 'repository/tenants/5'))).toEqual({ 'other.html': 'other' });
});

test('a tenant that comes back before its content was removed gets it anew', async ({ instance }) => {
  const { repository, target } = instance;
  const artifacts = instance.artifacts({ multiTenant: true });
  await deploy(artifacts, repository.url, '5');
  const content = join(target, 'repository/tenants/5');

  artifacts.forget('5');
  expect(artifacts.isKnown('5')).toBe(false);
  artifacts.want({ repoURL: repository.url, tenantId: '5' });
  expect(await artifacts.remove('5', { signal: never })).toBe(true);
  await expect(readdir(content)).rejects.toThrow('ENOENT');
  await artifacts.place(await artifacts.fetch('5', { signal: never }), { signal: never });

  expect(await filesIn(content)).toMatchObject({ 'index.html': 'first' });
});

test('tells how far git is', async ({ instance }) => {
  const artifacts = instance.artifacts();
  artifacts.want({ repoURL: instance.repository.url, tenantId: '1' });
  const stages: string[] = [];

  await artifacts.fetch('1', { signal: never, onProgress: ({ stage, percent }) => stages.push(`${stage} ${percent}`) });

  expect(stages.join()).toMatch(/objects 100/);
});

test('a path on another file system works as well', async ({ instance, skip }) => {
  const shared = await mkdtemp('/dev/shm/artifacts-').catch(() => skip('no second file system here'));
  onTestFinished(async () => await rm(shared, { recursive: true, force: true }));
  if ((await stat(shared)).dev === (await stat(instance.folder)).dev) skip('no second file system here');
  const link = join(instance.folder, 'link');
  await symlink(shared, link);
  await writeFile(join(shared, 'index.html'), 'from the image');

  await deploy(instance.artifacts({ path: link }), instance.repository.url);

  expect(await filesIn(shared)).toEqual({ 'index.html': 'first', 'lib/a.txt': 'a' });
});

test('a file in place of the folder is a failure that says what to do', async ({ instance }) => {
  await writeFiles(instance.folder, { 'srv/www': 'a file' });

  const error = await failureOf(deploy(instance.artifacts(), instance.repository.url));

  expect(error).toMatchObject({ code: 'ARTIFACT_CLONE_FAILED', remedy: expect.stringContaining('APPLICATION_PATH') });
});

test('file URLs and plain paths work where they are allowed', async ({ instance }) => {
  const { repository, target } = instance;
  const artifacts = instance.artifacts({ protocols: ['file'] });

  await deploy(artifacts, `file://${repository.folder}`);
  await repository.commit({ 'index.html': 'second' });
  await deploy(artifacts, repository.folder);

  expect(await filesIn(target)).toMatchObject({ 'index.html': 'second' });
});
