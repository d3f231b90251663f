import { execFile, execFileSync } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { flushTree } from '../../agent/artifacts/files/durable.ts';
import { leaveReleases } from '../../agent/artifacts/releases/release-leave.ts';
import { openReleases } from '../../agent/artifacts/releases/releases.ts';
import { checkPossible } from '../../agent/artifacts/releases/releases-possible.ts';
import { failureOf, filesIn, never, writeFiles } from '../support/artifacts.ts';
import { mayMount } from '../support/disk.ts';
import { cloneTo, open, serve, siteTest as test } from '../support/releases.ts';

const execute = promisify(execFile);

test('a commit is served by a link to a folder of its own, as it was committed', async ({ site }) => {
  const commit = await commitTricky(site.origin);

  const releases = await serve(site, commit);

  expect(await readlink(site.place)).toBe(`www.releases/${commit}`);
  expect((await readdir(site.place)).sort()).toEqual(['.gitattributes', 'a b', 'escape', 'index.html', 'run.sh']);
  expect((await stat(join(site.place, 'run.sh'))).mode & 0o777).toBe(0o755);
  expect((await stat(join(site.place, 'index.html'))).mode & 0o111).toBe(0);
  expect(await readlink(join(site.place, 'escape'))).toBe('../../../../etc');
  expect(await releases.current()).toBe(commit);
  expect(await releases.lastGood()).toBe(commit);
});

test('nothing of the repository is run while a release is written', async ({ site }) => {
  const commit = await site.origin.commit({ 'index.html': 'one', '.gitattributes': '* filter=x\n' });
  const { releases, repository } = await open(site);
  const canary = join(site.folder, 'canary');
  const hook = join(repository.folder, '.git/hooks/post-checkout');
  await writeFiles(repository.folder, { '.git/hooks/post-checkout': `#!/bin/sh\ntouch ${canary}\n` });
  await execute('chmod', ['+x', hook]);

  await releases.write(repository, commit, { signal: never });

  expect(await readdir(releases.folderOf(commit))).toContain('index.html');
  await expect(lstat(canary)).rejects.toThrow('ENOENT');
});

test('what was in a folder there is kept, and its owner and mode are taken over', async ({ site }) => {
  const commit = await site.origin.commit({ 'index.html': 'one' });
  await cloneTo(site.place, site.origin);
  await writeFiles(site.place, { 'upload.txt': 'mine' });
  await execute('chmod', ['0751', site.place]);

  await serve(site, commit);

  expect(await filesIn(site.place)).toEqual({ 'index.html': 'one' });
  expect((await stat(site.place)).mode & 0o7777).toBe(0o751);
  expect(await filesIn(`${site.place}.releases/original`)).toMatchObject({ 'upload.txt': 'mine' });
  expect(site.logged()).toContain('"event":"artifact.original-kept"');
});

test('a folder with nothing in it is not kept, and a second one does not replace the first', async ({ site }) => {
  const commit = await site.origin.commit({ 'index.html': 'one' });
  const originals = async () =>
    (await readdir(`${site.place}.releases`)).filter((name) => name.startsWith('original')).sort();
  await mkdir(site.place, { recursive: true });
  await serve(site, commit);
  expect(await originals()).toEqual([]);

  for (const content of ['first', 'second']) {
    await rm(site.place);
    await writeFiles(site.place, { content });
    await serve(site, commit);
  }

  expect(await originals()).toEqual(['original', 'original-2']);
  expect(await filesIn(`${site.place}.releases/original`)).toEqual({ content: 'first' });
});

test('an instance that changes to in-place has the release there, and can change again', async ({ site }) => {
  const commit = await site.origin.commit({ 'index.html': 'one' });
  await serve(site, commit);

  await leaveReleases(site.place, { log: site.log });
  await leaveReleases(site.place, { log: site.log });

  expect((await lstat(site.place)).isDirectory()).toBe(true);
  expect(await filesIn(site.place)).toEqual({ 'index.html': 'one' });
  const releases = await serve(site, commit);
  expect(await releases.current()).toBe(commit);
  expect(await filesIn(site.place)).toEqual({ 'index.html': 'one' });
});

test('a link the operator made is followed, and stays', async ({ site }) => {
  const commit = await site.origin.commit({ 'index.html': 'one' });
  await mkdir(join(site.folder, 'srv'));
  await mkdir(join(site.folder, 'disk'));
  await symlink('../disk/www', site.place);

  const releases = await serve(site, commit);

  expect(await readlink(site.place)).toBe('../disk/www');
  expect(releases.place).toBe(join(site.folder, 'disk', 'www'));
  expect(await filesIn(`${site.place}/`)).toEqual({ 'index.html': 'one' });
});

test('a link that somebody has put in place of ours is not followed', async ({ site }) => {
  await serve(site, await site.origin.commit({ 'index.html': 'one' }));
  await writeFiles(join(site.folder, 'precious'), { file: 'x' });
  await rm(site.place);
  await symlink('../precious', site.place);

  const error = await failureOf(openReleases({ path: site.place, keep: 3, log: site.log }));

  expect(error).toMatchObject({ code: 'ARTIFACT_RELEASES_IMPOSSIBLE', lasting: true });
  expect(await filesIn(site.folder)).toMatchObject({ 'precious/file': 'x' });
});

test.for(['/etc', '/usr', '/var/lib', '/usr/bin', '/bin'])(
  '%s is not set aside, even if asked',
  async (folder, { site }) => {
    // Asked of the check alone, with the releases elsewhere: nothing happens to this machine whatever it says.
    const error = await failureOf(checkPossible(folder, join(site.folder, 'releases')));

    expect(error).toMatchObject({ code: 'ARTIFACT_RELEASES_IMPOSSIBLE', lasting: true });
  },
);

test('of many good releases the last ones stay, and of the others none', async ({ site }) => {
  const commits = await commitMany(site.origin, 5);
  for (const commit of commits) await serve(site, commit, { keep: 2 });
  const bad = await site.origin.commit({ 'index.html': 'bad' });
  const { releases, repository } = await open(site, { keep: 2 });
  await releases.write(repository, bad, { signal: never });
  await releases.switchTo(bad);

  await releases.prune(repository);
  expect(await releasesIn(site.place)).toEqual([...commits.slice(-2), bad].sort());
  expect(await releases.rollBack(bad, 'the hook said no')).toBe(commits.at(-1));
  expect(await releases.rollBack(bad, 'again, by an agent that was killed')).toBe(commits.at(-1));
  await releases.prune(repository);

  expect(await releasesIn(site.place)).toEqual(commits.slice(-2).sort());
  expect(await releases.rejectionOf(bad)).toBe('the hook said no');
  const indexes = (await readdir(join(repository.folder, '.git'))).filter((name) => name.includes('index'));
  expect(indexes.sort()).toEqual(
    commits
      .slice(-2)
      .map((commit) => `cartridge-agent-index-${commit}`)
      .sort(),
  );
  expect(await refsIn(repository.folder)).toEqual(commits.slice(-2).sort());
});

test('the last good release is not removed, however few are kept and whatever is current', async ({ site }) => {
  const [good = '', ...others] = await commitMany(site.origin, 4);
  await serve(site, good, { keep: 1 });
  const { releases, repository } = await open(site, { keep: 1 });

  for (const commit of others) {
    await releases.write(repository, commit, { signal: never });
    await releases.switchTo(commit);
    await releases.prune(repository);
  }

  expect(await releasesIn(site.place)).toEqual([good, others.at(-1)].sort());
});

test('a release whose commit was forced off its branch can still be compared', async ({ site }) => {
  const commit = await site.origin.commit({ 'index.html': 'one', 'b.txt': 'b' });
  const releases = await serve(site, commit);
  await writeFiles(site.place, { 'index.html': 'changed', 'new.txt': 'new' });
  await site.origin.forget();
  await site.origin.commit({ 'other.html': 'other' });
  await execute('git', ['-C', releases.repositoryFolder, 'fetch', '--quiet', '--prune', '--force']);
  await execute('git', ['-C', releases.repositoryFolder, 'gc', '--quiet', '--prune=now']);
  const repository = await cloneTo(releases.repositoryFolder, site.origin);

  for (const lost of [false, true]) {
    if (lost) await rm(join(repository.folder, '.git', `cartridge-agent-index-${commit}`));
    const environment = (await releases.workTree(repository, commit)) ?? {};
    const changed = await repository.run(['diff-files', '-z', '--name-only'], { environment });
    const untracked = await repository.run(['ls-files', '--others', '-z'], { environment });

    expect([changed, untracked]).toEqual(['index.html\0', 'new.txt\0']);
  }
});

test('after the clone was made again, a release it does not know can be served, not compared', async ({ site }) => {
  const commit = await site.origin.commit({ 'index.html': 'one' });
  await serve(site, commit);
  await site.origin.forget();
  const next = await site.origin.commit({ 'index.html': 'two' });
  const { releases: before } = await open(site);
  await before.clearRepository();

  const { releases, repository } = await open(site);

  await execute('git', ['-C', repository.folder, 'gc', '--quiet', '--prune=now']);
  expect(await releases.workTree(repository, commit)).toBeNull();
  await serve(site, next);
  expect(await releases.rollBack(next, 'no')).toBe(commit);
  expect(await filesIn(site.place)).toEqual({ 'index.html': 'one' });
});

test('without a tool to flush a file system, each file of a tree is flushed, and no link followed', async ({
  site,
}) => {
  await writeFiles(site.place, { 'a.txt': 'a', 'lib/b.txt': 'b' });
  // Whoever follows these goes round and round, and never comes back.
  for (const name of ['x', 'y', 'z']) await symlink('..', join(site.place, 'lib', name));
  const path = process.env['PATH'];
  process.env['PATH'] = site.folder;
  try {
    await flushTree(site.place, AbortSignal.timeout(5_000));
    await expect(flushTree(join(site.place, 'gone'), never)).rejects.toThrow('ENOENT');
  } finally {
    process.env['PATH'] = path;
  }
});

test('10,000 files become a release', async ({ site }) => {
  const commit = commitAtOnce(site.origin.folder, 10_000);

  await serve(site, commit);

  const files = Object.entries(await filesIn(site.place));
  expect(files).toHaveLength(10_000);
  expect(files.filter(([name, content]) => name !== content)).toEqual([]);
});

test.skipIf(!mayMount)('a disk that is full leaves what is served, and nothing half written', async ({ site }) => {
  const folder = join(site.folder, 'srv');
  await mkdir(folder);
  await execute('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
  try {
    const small = await site.origin.commit({ 'index.html': 'small' });
    await serve(site, small);
    const large = await site.origin.commit({ 'large.txt': 'a'.repeat(8_000_000) });
    const { releases, repository } = await open(site);

    const error = await failureOf(releases.write(repository, large, { signal: never }));

    expect(error).toMatchObject({ message: expect.stringMatching(/No space left|unable to write file/) });
    expect(await releasesIn(site.place)).toEqual([small]);
    expect((await readdir(`${site.place}.releases`)).filter((name) => name.startsWith('incoming'))).toEqual([]);
    expect(await filesIn(site.place)).toEqual({ 'index.html': 'small' });
  } finally {
    await execute('umount', ['--lazy', folder]);
  }
});

test.skipIf(!mayMount)('where there can be no link, it says so and touches nothing', async ({ site }) => {
  await writeFiles(site.place, { 'index.html': 'old' });
  const impossible = { code: 'ARTIFACT_RELEASES_IMPOSSIBLE', lasting: true };
  const opening = async () => await failureOf(openReleases({ path: site.place, keep: 3, log: site.log }));

  for (const options of [
    ['--bind', site.place, site.place],
    ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', join(site.place, '..')],
  ]) {
    await execute('mount', options);
    const error = await opening().finally(() => execute('umount', ['--lazy', options.at(-1) ?? '']));
    expect(error).toMatchObject(impossible);
  }
  expect(await readdir(join(site.folder, 'srv'))).toEqual(['www']);

  await symlink(site.folder, `${site.place}.releases`);
  expect(await opening()).toMatchObject(impossible);
  await rm(site.place, { recursive: true });
  await writeFile(site.place, 'a file');
  expect(await opening()).toMatchObject(impossible);
  expect(await readFile(site.place, 'utf8')).toBe('a file');
});

test('a record that somebody spoilt is set aside, and told', async ({ site }) => {
  const commit = await site.origin.commit({ 'index.html': 'one' });
  const releases = await serve(site, commit);
  await writeFile(`${site.place}.releases/releases.json`, '{"good": 7');

  expect(await releases.lastGood()).toBeNull();
  await releases.markGood(commit);

  expect(await releases.lastGood()).toBe(commit);
  expect(site.logged()).toContain('"event":"artifact.record-damaged"');
});

/** Much faster than file by file. */
function commitAtOnce(folder: string, count: number): string {
  const files = Array.from({ length: count }, (_, index) => `d${index % 100}/f${index}.txt`);
  const changes = files.map((file) => `M 100644 inline ${file}\ndata ${file.length}\n${file}\n`).join('');
  const input = `commit refs/heads/main\ncommitter Ann <ann@example.org> 0 +0000\ndata 0\n${changes}`;
  execFileSync('git', ['-C', folder, 'fast-import', '--quiet'], { input });
  return execFileSync('git', ['-C', folder, 'rev-parse', 'main'], { encoding: 'utf8' }).trim();
}

/** With a mode, a link out of the tree, and an attribute. */
async function commitTricky(origin: { folder: string; commit(files: Record<string, string>): Promise<string> }) {
  const files = `${origin.folder}.files`;
  await writeFile(join(files, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('../../../../etc', join(files, 'escape'));
  return await origin.commit({ 'index.html': 'one', 'a b/ü.txt': 'ü', '.gitattributes': '*.html text\n' });
}

async function commitMany(origin: { commit(files: Record<string, string>): Promise<string> }, count: number) {
  const commits: string[] = [];
  for (let index = 0; index < count; index += 1) commits.push(await origin.commit({ 'index.html': `${index}` }));
  return commits;
}

async function releasesIn(place: string): Promise<string[]> {
  return (await readdir(`${place}.releases`)).filter((name) => /^[0-9a-f]{40}$/.test(name)).sort();
}

async function refsIn(folder: string): Promise<string[]> {
  const { stdout } = await execute('git', [
    ...['-C', folder, 'for-each-ref', '--format=%(objectname)', 'refs/cartridge-agent/releases'],
  ]);
  return stdout.trim().split('\n').sort();
}
