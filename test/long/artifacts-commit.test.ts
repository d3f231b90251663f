import { execFileSync } from 'node:child_process';
import { chmod, chown, lstat, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createGit } from '../../agent/artifacts/git/git.ts';
import { readDrift } from '../../agent/artifacts/local/drift.ts';
import { failureOf, filesIn, writeFiles } from '../support/artifacts.ts';
import { startGitServer } from '../support/git-server.ts';
import {
  bringToRemote,
  cloneOf,
  commit,
  fetch,
  gitIn,
  leftoversIn,
  look,
  type Site,
} from '../support/local-changes.ts';
import { siteTest as test } from '../support/site.ts';

test('commits what was changed, added and removed, and pushes it, touching no file', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, {
    'index.html': 'edited here',
    'naïve name.txt': 'é',
    '.gitignore': '*.log\n',
    'a.log': 'x',
  });
  await rm(join(target, 'lib/a.txt'));
  const before = await stat(join(target, 'index.html'));

  const result = await look(site.place);

  expect(await site.remoteFiles()).toEqual({
    ...{ '.gitignore': '*.log', 'lib/b.txt': 'b', 'run.sh': '#!/bin/sh' },
    ...{ 'index.html': 'edited here', 'naïve name.txt': 'é' },
  });
  expect(await site.remote.git('log', '-1', '--format=%H|%an|%ae|%cn|%s')).toBe(
    `${result.newCommit}|Shop instance|shop@example.org|Shop instance|Local changes of tenant 1, ${target}`,
  );
  expect(await gitIn(target, 'status', '--porcelain')).toBe('');
  expect(await stat(join(target, 'index.html'))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
  expect(await leftoversIn(target)).toEqual([]);
});

test('commits nothing when nothing has changed', async ({ site }) => {
  const before = await site.remote.git('rev-parse', 'main');

  expect(await commit(site.place)).toBeNull();
  expect(await look(site.place)).toEqual({ newCommit: before, upstream: before, pushed: false });

  expect(await site.remote.git('rev-parse', 'main')).toBe(before);
});

test('local commits go upon what others have pushed meanwhile, and both are in place', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'index.html': 'edited here' });
  await commit(site.place);
  await writeFiles(target, { 'new.txt': 'written here' });
  const theirs = await site.commitThere({ 'lib/a.txt': 'theirs', 'lib/c.txt': 'theirs too' });

  const result = await look(site.place);

  const merged = {
    'index.html': 'edited here',
    'new.txt': 'written here',
    'lib/a.txt': 'theirs',
    'lib/c.txt': 'theirs too',
  };
  expect(await filesIn(target)).toMatchObject(merged);
  expect(await site.remoteFiles()).toMatchObject(merged);
  expect(result).toMatchObject({ upstream: theirs, pushed: true });
  expect(await site.remote.git('rev-list', '--count', '--no-merges', `${theirs}..main`)).toBe('2');
  expect(await gitIn(target, 'status', '--porcelain')).toBe('');
});

test('another pusher that is quicker is let in first', async ({ site }) => {
  await writeFiles(site.place.target, { 'index.html': 'edited here' });
  await commit(site.place);
  const fetched = await fetch(cloneOf(site.place), site.place);
  await site.commitThere({ 'lib/a.txt': 'quicker' });
  let again = 0;
  const refetch = async () => {
    again += 1;
    if (again === 1) await site.commitThere({ 'lib/b.txt': 'quicker once more' });
    const newest = await fetch(cloneOf(site.place), site.place);
    if (again === 1) await site.commitThere({ 'run.sh': 'and again' });
    return newest;
  };

  const result = await bringToRemote(site.place, fetched, { refetch });

  expect(again).toBe(2);
  expect(result.newCommit).toBe(await site.remote.git('rev-parse', 'main'));
  expect(await site.remoteFiles()).toMatchObject({
    ...{ 'index.html': 'edited here', 'lib/a.txt': 'quicker' },
    ...{ 'lib/b.txt': 'quicker once more', 'run.sh': 'and again' },
  });
});

test('a conflict changes nothing, is told of, and ends when somebody merges in place', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'index.html': 'edited here', 'new.txt': 'written here' });
  const theirs = await site.commitThere({ 'index.html': 'theirs', 'lib/a.txt': 'theirs' });

  const error = await failureOf(look(site.place));

  expect(error).toMatchObject({ code: 'ARTIFACT_COMMIT_CONFLICT', lasting: true, facts: { paths: ['index.html'] } });
  expect(await filesIn(target)).toMatchObject({ 'index.html': 'edited here', 'lib/a.txt': 'a' });
  expect(await site.remote.git('rev-parse', 'main')).toBe(theirs);
  expect(await gitIn(target, 'show', 'refs/cartridge-agent/local:new.txt')).toBe('written here');

  await gitIn(target, 'merge', 'refs/cartridge-agent/fetched').catch(() => {});
  expect(await failureOf(look(site.place))).toMatchObject({ code: 'ARTIFACT_COMMIT_CONFLICT' });
  await writeFiles(target, { 'index.html': 'theirs, edited here' });
  await gitIn(target, 'commit', '--quiet', '--all', '--no-edit');
  await look(site.place);

  expect(await site.remoteFiles()).toMatchObject({ 'index.html': 'theirs, edited here', 'lib/a.txt': 'theirs' });
  expect(await filesIn(target)).toMatchObject({ 'index.html': 'theirs, edited here', 'new.txt': 'written here' });
  expect(await leftoversIn(target)).toEqual([]);
});

test('a conflict ends when the file in place becomes what the repository has', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'index.html': 'edited here', 'new.txt': 'written here' });
  await site.commitThere({ 'index.html': 'theirs' });
  await failureOf(look(site.place));
  await writeFiles(target, { 'index.html': 'theirs' });

  await look(site.place);

  expect(await site.remoteFiles()).toMatchObject({ 'index.html': 'theirs', 'new.txt': 'written here' });
});

test('a push that arrived although its end was not heard of is not repeated', async ({ site }) => {
  const { target } = site.place;
  const git = createGit({ protocols: ['file'], environment: process.env });
  const run: typeof git.run = async (args, call) => {
    const output = await git.run(args, call);
    if (args.includes('push')) throw new Error('the agent has crashed');
    return output;
  };
  await writeFiles(target, { 'index.html': 'edited here' });
  await site.commitThere({ 'lib/a.txt': 'theirs' });
  await expect(look({ ...site.place, git: { ...git, run } })).rejects.toThrow('crashed');
  await writeFiles(target, { 'new.txt': 'written since' });
  await site.commitThere({ 'index.html': 'edited there, after us' });

  await look(site.place);

  expect(await site.remoteFiles()).toMatchObject({
    'index.html': 'edited there, after us',
    'new.txt': 'written since',
  });
  expect(await filesIn(target)).toMatchObject({ 'index.html': 'edited there, after us', 'lib/a.txt': 'theirs' });
  expect(await leftoversIn(target)).toEqual([]);
});

test('a push that is refused loses nothing, and is tried again', async ({ site }) => {
  const { target } = site.place;
  const hook = join(site.remote.folder, 'hooks/pre-receive');
  await writeFile(hook, '#!/bin/sh\necho protected >&2\nexit 1\n');
  await chmod(hook, 0o755);
  await writeFiles(target, { 'index.html': 'edited here' });

  const error = await failureOf(look(site.place));
  expect(error).toMatchObject({ code: 'ARTIFACT_PUSH_FAILED', remedy: expect.stringContaining('hook') });
  expect(await filesIn(target)).toMatchObject({ 'index.html': 'edited here' });
  await rm(hook);
  await look(site.place);

  expect(await site.remoteFiles()).toMatchObject({ 'index.html': 'edited here' });
});

test('over HTTP, a server that only gives is told of, and one that takes is pushed to', async ({ site }) => {
  await using server = await startGitServer();
  const remote = await server.createRepository('shop.git');
  await remote.commit({ 'index.html': 'first' });
  await rm(site.place.target, { recursive: true });
  await mkdir(site.place.target);
  const place = { ...site.place, url: remote.url };
  await look(place);
  await writeFiles(place.target, { 'index.html': 'edited here' });
  await remote.git('config', 'http.receivepack', 'false');

  expect(await failureOf(look(place))).toMatchObject({ code: 'ARTIFACT_PUSH_FAILED', lasting: true });
  await remote.git('config', 'http.receivepack', 'true');
  await look(place);

  expect(await remote.git('show', 'main:index.html')).toBe('edited here');
});

test.for([
  { summary: 'a tag', branchOf: async () => 'v1' },
  { summary: 'a pinned commit', branchOf: async ({ remote }: Site) => await remote.git('rev-parse', 'main') },
])('$summary takes no local commits, which stay', async ({ branchOf }, { site }) => {
  await site.remote.git('tag', 'v1');
  const place = { ...site.place, branch: await branchOf(site) };
  await writeFiles(place.target, { 'index.html': 'edited here' });

  const error = await failureOf(look(place));

  expect(error).toMatchObject({
    code: 'ARTIFACT_PUSH_FAILED',
    lasting: true,
    remedy: expect.stringContaining('branch'),
  });
  expect(await gitIn(place.target, 'show', 'refs/cartridge-agent/local:index.html')).toBe('edited here');
});

test('pushes to the branch it follows, and to no other', async ({ site }) => {
  const main = await site.remote.git('rev-parse', 'main');
  await site.remote.startBranch('stage');
  await site.remote.git('branch', 'stage', 'main');
  const place = { ...site.place, branch: 'stage' };
  await writeFiles(place.target, { 'index.html': 'edited here' });

  await look(place);

  expect(await site.remote.git('show', 'stage:index.html')).toBe('edited here');
  expect(await site.remote.git('rev-parse', 'main')).toBe(main);
});

test('what was taken out of the history does not come back with a local commit', async ({ site }) => {
  const first = await site.remote.git('rev-parse', 'main');
  const secret = await site.commitThere({ 'secret.txt': 'oops' });
  await look(site.place);
  await writeFiles(site.place.target, { 'index.html': 'edited here' });
  await site.remote.git('update-ref', 'refs/heads/main', first);

  await look(site.place);

  expect(await site.remote.git('rev-list', 'main')).not.toContain(secret);
  expect(await site.remoteFiles()).toMatchObject({ 'index.html': 'edited here' });
  expect(await filesIn(site.place.target)).not.toHaveProperty('secret.txt');
});

test('commits that people made in place keep their authors', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'lib/a.txt': 'by hand' });
  await gitIn(target, 'commit', '--quiet', '--all', '--message=by hand\n\nwith a body');
  await site.commitThere({ 'index.html': 'theirs' });

  await look(site.place);

  expect(await site.remote.git('log', '-1', '--format=%an|%cn|%B')).toBe(
    'Operator|Shop instance|by hand\n\nwith a body',
  );
  expect(await filesIn(target)).toMatchObject({ 'lib/a.txt': 'by hand', 'index.html': 'theirs' });
});

test('leaves out other repositories, and runs nothing of theirs nor of ours', async ({ site }) => {
  const { target } = site.place;
  const canary = join(site.folder, 'canary');
  for (const nested of ['other', 'empty']) await gitIn(site.folder, 'init', '--quiet', join(target, nested));
  await writeFiles(target, { 'other/file': 'x', 'empty/file': 'x', '.cartridge-agent-x/half': 'x' });
  await gitIn(join(target, 'other'), 'add', '.');
  await gitIn(join(target, 'other'), 'commit', '--quiet', '--message=x');
  for (const hook of ['pre-commit', 'post-commit', 'pre-push', 'post-index-change', 'reference-transaction']) {
    await writeFiles(target, { [`.git/hooks/${hook}`]: `#!/bin/sh\ntouch ${canary}\n` });
    await chmod(join(target, '.git/hooks', hook), 0o755);
  }
  await gitIn(join(target, 'other'), 'config', 'core.fsmonitor', `touch ${canary}`);
  await symlink('/etc', join(target, 'etc'));
  await writeFiles(target, { 'index.html': 'edited here' });
  await rm(canary, { force: true });

  await look(site.place);

  const there = await site.remote.git('ls-tree', '-r', '--name-only', 'main');
  expect(there).toBe('etc\nindex.html\nlib/a.txt\nlib/b.txt\nrun.sh');
  expect(await site.remote.git('show', 'main:etc')).toBe('/etc');
  await expect(lstat(canary)).rejects.toThrow('ENOENT');
  expect(await filesIn(join(target, 'other'))).toEqual({ file: 'x' });
});

test.runIf(process.getuid?.() === 0)('leaves out what it may not read, and brings all else', async ({ site }) => {
  const { target, url } = site.place;
  await writeFiles(target, { 'lib/a.txt': 'changed', 'upload [1].txt': 'new', 'lib/session': 'theirs alone' });
  await mkdir(join(target, 'lost+found'), { mode: 0o700 });
  execFileSync('chown', ['-R', '65534:65534', site.folder]);
  for (const name of ['lib/a.txt', 'lib/session', 'lost+found']) await chown(join(target, name), 0, 0);
  for (const name of ['lib/a.txt', 'lib/session']) await chmod(join(target, name), 0o600);

  const program = join(import.meta.dirname, '../support/look-process.ts');
  const identity = { uid: 65_534, gid: 65_534, env: { PATH: process.env['PATH'], HOME: site.folder } };
  execFileSync(process.execPath, [program, 'commit', target, url], identity);

  const there = { 'index.html': 'first', 'lib/a.txt': 'a', 'lib/b.txt': 'b', 'upload [1].txt': 'new' };
  execFileSync('chown', ['-R', '0:0', site.folder]);
  expect(await site.remoteFiles()).toMatchObject(there);
  expect(await filesIn(target)).toMatchObject({ ...there, 'lib/a.txt': 'changed', 'lib/session': 'theirs alone' });
  expect(await site.remoteFiles()).not.toHaveProperty('lib/session');
});

test('what is changed while it works is neither lost nor half committed', async ({ site }) => {
  const { target } = site.place;
  const git = createGit({ protocols: ['file'], environment: process.env });
  let calls = 0;
  const busy: typeof git = {
    ...git,
    run: async (args, call) => {
      calls += 1;
      await writeFiles(target, { 'busy.txt': `${calls}`, 'lib/a.txt': `${calls}` });
      return await git.run(args, call);
    },
  };
  await site.commitThere({ 'index.html': 'theirs', 'lib/b.txt': null });

  await look({ ...site.place, git: busy });
  expect(await filesIn(target)).toMatchObject({
    'busy.txt': `${calls}`,
    'lib/a.txt': `${calls}`,
    'index.html': 'theirs',
  });
  await look(site.place);

  expect(await site.remoteFiles()).toMatchObject({ 'busy.txt': `${calls}`, 'lib/a.txt': `${calls}` });
  expect(await readDrift(cloneOf(site.place))).toEqual([]);
});

test('everything can be removed, and come back', async ({ site }) => {
  const { target } = site.place;
  for (const name of ['index.html', 'lib', 'run.sh']) await rm(join(target, name), { recursive: true });

  await look(site.place);
  expect(await site.remote.git('ls-tree', '-r', 'main')).toBe('');
  await writeFiles(target, { lib: 'a file now' });
  await look(site.place);

  expect(await site.remoteFiles()).toEqual({ lib: 'a file now' });
});
