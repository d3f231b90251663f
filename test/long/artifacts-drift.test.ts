import {
  chmod,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { readDrift, restoreDrift } from '../../agent/artifacts/local/drift.ts';
import { placeCommit } from '../../agent/artifacts/place/place.ts';
import { createLog } from '../../agent/log.ts';
import { filesIn, writeFiles } from '../support/artifacts.ts';
import { cloneOf, fetch, gitIn, leftoversIn, look, type Site } from '../support/local-changes.ts';
import { siteTest as test } from '../support/site.ts';

const log = createLog({ level: 'silent', pretty: false, colour: false });
const first = { 'index.html': 'first', 'lib/a.txt': 'a', 'lib/b.txt': 'b', 'run.sh': '#!/bin/sh\n' };

test('tells which files were changed, removed, made executable or replaced by another type', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'index.html': 'edited here', 'new.txt': 'not tracked' });
  await rm(join(target, 'lib/a.txt'));
  await rm(join(target, 'lib/b.txt'));
  await symlink('/etc/hostname', join(target, 'lib/b.txt'));
  await chmod(join(target, 'run.sh'), 0o755);

  const drift = await readDrift(cloneOf(site.place));

  expect(drift).toEqual(['index.html', 'lib/a.txt', 'lib/b.txt', 'run.sh']);
});

test('other owners and times, commits made in place and a foreign index are no drift', async ({ site }) => {
  const { target } = site.place;
  await utimes(join(target, 'index.html'), new Date(0), new Date(0));
  await writeFiles(target, { 'lib/a.txt': 'edited here' });
  await gitIn(target, 'commit', '--quiet', '--all', '--message=here');
  await gitIn(target, 'rm', '--quiet', '--cached', 'run.sh');

  const drift = await readDrift(cloneOf(site.place));

  expect(drift).toEqual(['lib/a.txt']);
  expect(await gitIn(target, 'status', '--porcelain')).toContain('D  run.sh');
});

test('sees a change of the same length in the very second of the last look', async ({ site }) => {
  for (const text of ['1st!!', '2nd!!', '3rd!!', 'first']) {
    await writeFiles(site.place.target, { 'index.html': text });

    expect(await readDrift(cloneOf(site.place))).toEqual(text === 'first' ? [] : ['index.html']);
  }
});

test('what attributes or autocrlf would make of a file is no drift, and is neither placed nor committed', async ({
  site,
}) => {
  const { target } = site.place;
  const files = { 'dos.txt': 'a\r\nb\r\n', 'unix.bat': 'a\nb\n', 'id.c': '$Id$\n', 'wide.txt': 'é\n' };
  const attributes = ['*.txt text', '*.bat eol=crlf', '*.c ident', 'wide.txt working-tree-encoding=UTF-16'].join('\n');
  const commit = await commitAsIs(site, { ...files, '.gitattributes': attributes });
  await look(site.place);
  expect(await filesIn(target)).toEqual({ ...files, '.gitattributes': attributes });

  for (const name of Object.keys(files)) await utimes(join(target, name), new Date(0), new Date(0));

  expect(await readDrift(cloneOf(site.place))).toEqual([]);
  await look(site.place);
  expect(await site.remote.git('rev-parse', 'main')).toBe(commit);
});

test('a changed line end is drift, and is committed as it is', async ({ site }) => {
  await commitAsIs(site, { 'dos.txt': 'a\r\nb\r\n', '.gitattributes': '* text=auto\n' });
  await look(site.place);
  await writeFiles(site.place.target, { 'dos.txt': 'a\nb\r\n' });

  expect(await readDrift(cloneOf(site.place))).toEqual(['dos.txt']);
  await look(site.place);

  expect(await site.remote.git('cat-file', '-s', 'main:dos.txt')).toBe('5');
});

test('puts back what it is told to, and no more, and what was there can be had back', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'index.html': 'edited here', 'lib/a.txt': 'edited here too', 'new.txt': 'not tracked' });
  await rm(join(target, 'lib/b.txt'));
  await writeFiles(target, { 'lib/b.txt/c': 'a folder now' });

  const { savedAs } = await restoreDrift(cloneOf(site.place), [
    'index.html',
    'lib/b.txt',
    'new.txt',
    '../no',
    'run.sh',
  ]);

  expect(await filesIn(target)).toEqual({ ...first, 'lib/a.txt': 'edited here too', 'new.txt': 'not tracked' });
  expect(await gitIn(target, 'show', `${savedAs}:index.html`)).toBe('edited here');
  expect(await gitIn(target, 'show', `${savedAs}:lib/b.txt/c`)).toBe('a folder now');
  expect(await readDrift(cloneOf(site.place))).toEqual(['lib/a.txt']);
  expect(await leftoversIn(target)).toEqual([]);
});

test('writes nothing out of the tree where a folder has become a link', async ({ site }) => {
  const { target } = site.place;
  const outside = join(site.folder, 'outside');
  await writeFiles(outside, { 'a.txt': 'canary' });
  await rm(join(target, 'lib'), { recursive: true });
  await symlink(outside, join(target, 'lib'));

  const drift = await readDrift(cloneOf(site.place));
  const { savedAs } = await restoreDrift(cloneOf(site.place), drift);

  expect(drift).toEqual(['lib/a.txt', 'lib/b.txt']);
  expect(await filesIn(outside)).toEqual({ 'a.txt': 'canary' });
  expect((await lstat(join(target, 'lib'))).isDirectory()).toBe(true);
  expect(await filesIn(target)).toEqual(first);
  expect(await gitIn(target, 'show', `${savedAs}:lib`)).toBe(outside);
});

test('never touches another repository that stands where a file was', async ({ site }) => {
  const { target } = site.place;
  await rm(join(target, 'index.html'));
  await mkdir(join(target, 'index.html'));
  await gitIn(join(target, 'index.html'), 'init', '--quiet');
  await writeFiles(join(target, 'index.html'), { work: 'of somebody' });

  await expect(restoreDrift(cloneOf(site.place), ['index.html'])).rejects.toThrow('index.html');

  expect(await filesIn(join(target, 'index.html'))).toEqual({ work: 'of somebody' });
  expect(await leftoversIn(target)).toEqual([]);
});

test('keeps the newest ten of what it replaced', async ({ site }) => {
  const { target } = site.place;
  const older = Array.from({ length: 12 }, (_, n) => `refs/cartridge-agent/replaced/2026-01-${10 + n}T00-00-00-000Z`);
  for (const ref of older) await gitIn(target, 'update-ref', ref, 'HEAD');
  await writeFiles(target, { 'index.html': 'edited here' });

  const { savedAs } = await restoreDrift(cloneOf(site.place), ['index.html']);

  const refs = await gitIn(target, 'for-each-ref', '--format=%(refname)', 'refs/cartridge-agent/replaced');
  expect(refs.split('\n')).toEqual([...older.slice(-9), savedAs]);
});

test('with keep, an update changes all but what was changed here, and that is still drift', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'index.html': 'edited here', 'new.txt': 'written here', 'd/e': 'below' });
  await rm(join(target, 'lib/b.txt'));
  const commit = await site.commitThere({
    ...{ 'index.html': 'second', 'lib/a.txt': 'second', 'lib/b.txt': 'second', 'lib/c.txt': 'c', 'run.sh': null },
    ...{ 'new.txt': 'theirs', d: 'a file' },
  });
  await fetch(cloneOf(site.place), site.place);

  await placeCommit(cloneOf(site.place), commit, { log, drift: 'keep' });

  const local = { 'index.html': 'edited here', 'new.txt': 'written here', 'd/e': 'below' };
  expect(await filesIn(target)).toEqual({ ...local, 'lib/a.txt': 'second', 'lib/c.txt': 'c' });
  expect(await readDrift(cloneOf(site.place))).toEqual(['d', 'index.html', 'lib/b.txt', 'new.txt']);
  expect(await gitIn(target, 'rev-parse', 'refs/cartridge-agent/placed')).toBe(commit);
  expect(await leftoversIn(target)).toEqual([]);
});

test('with keep, an update of nothing but what was changed here touches no file', async ({ site }) => {
  await writeFiles(site.place.target, { 'index.html': 'edited here' });
  const commit = await site.commitThere({ 'index.html': 'second' });
  await fetch(cloneOf(site.place), site.place);

  await placeCommit(cloneOf(site.place), commit, { log, drift: 'keep' });

  expect(await filesIn(site.place.target)).toEqual({ ...first, 'index.html': 'edited here' });
  expect(await gitIn(site.place.target, 'rev-parse', 'HEAD')).toBe(commit);
});

test('with report, an update replaces the changed files it touches, and keeps the others', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'index.html': 'edited here', 'lib/a.txt': 'edited here too' });
  const commit = await site.commitThere({ 'index.html': 'second' });
  await fetch(cloneOf(site.place), site.place);

  await placeCommit(cloneOf(site.place), commit, { log, drift: 'report' });

  expect(await filesIn(target)).toEqual({ ...first, 'index.html': 'second', 'lib/a.txt': 'edited here too' });
  expect(await readDrift(cloneOf(site.place))).toEqual(['lib/a.txt']);
});

test('an update goes on over whatever people do with git in place', async ({ site }) => {
  const { target } = site.place;
  await writeFiles(target, { 'lib/a.txt': 'edited here' });
  await gitIn(target, 'checkout', '--quiet', '--orphan', 'mine');
  for (const next of ['second', 'third']) {
    const commit = await site.commitThere({ 'index.html': next });
    await fetch(cloneOf(site.place), site.place);

    await placeCommit(cloneOf(site.place), commit, { log });

    expect(await filesIn(target)).toEqual({ ...first, 'index.html': next, 'lib/a.txt': 'edited here' });
    await gitIn(target, 'checkout', '--quiet', '-B', 'half', 'HEAD~1').catch(() => {});
    await gitIn(target, 'update-ref', '--no-deref', 'MERGE_HEAD', commit);
    await gitIn(target, 'update-index', '--add', '--cacheinfo', `100644,${await blobOf(target)},new`);
  }
});

test('runs nothing of a repository that was put where a submodule belongs', async ({ site }) => {
  const { target } = site.place;
  const canary = join(site.folder, 'canary');
  const sub = join(site.folder, 'sub');
  await writeFiles(sub, { file: 'x' });
  await gitIn(sub, 'init', '--quiet');
  await gitIn(sub, 'add', '.');
  await gitIn(sub, 'commit', '--quiet', '--message=x');
  const entry = `160000,${await gitIn(sub, 'rev-parse', 'HEAD')},sub`;
  await site.remote.git('update-index', '--add', '--cacheinfo', entry);
  const tree = await site.remote.git('write-tree');
  const commit = await site.remote.git('commit-tree', tree, '-p', 'main', '-m', 'a submodule');
  await site.remote.git('update-ref', 'refs/heads/main', commit);
  await look(site.place);
  await cp(sub, join(target, 'sub'), { recursive: true });
  await gitIn(join(target, 'sub'), 'config', 'core.fsmonitor', `touch ${canary}`);
  await writeFiles(target, { 'index.html': 'edited here' });

  await readDrift(cloneOf(site.place));
  await restoreDrift(cloneOf(site.place), ['index.html']);
  await writeFiles(target, { 'lib/a.txt': 'edited here' });
  await look(site.place);

  await expect(lstat(canary)).rejects.toThrow('ENOENT');
  expect(await filesIn(target)).toMatchObject({ 'index.html': 'first', 'sub/file': 'x' });
  expect(await site.remote.git('show', 'main:lib/a.txt')).toBe('edited here');
});

test('a link that was changed is put back as a link', async ({ site }) => {
  const { target } = site.place;
  await rm(join(site.remote.folder.concat('.files'), 'lib/b.txt'));
  await symlink('a.txt', join(site.remote.folder.concat('.files'), 'lib/b.txt'));
  const commit = await site.remote.commit({});
  await fetch(cloneOf(site.place), site.place);
  await placeCommit(cloneOf(site.place), commit, { log });
  await rm(join(target, 'lib/b.txt'));
  await symlink('/etc/passwd', join(target, 'lib/b.txt'));

  await restoreDrift(cloneOf(site.place), ['lib/b.txt']);

  expect(await readlink(join(target, 'lib/b.txt'))).toBe('a.txt');
});

describe('a file whose name is not UTF-8', () => {
  const name = 'd\xe9/caf\xe9.txt';
  const names = ['d\xe9', 'index.html', 'lib', 'run.sh'];
  const fileIn = (folder: string) => Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')]);

  async function commitThere({ remote }: Site, text: string): Promise<string> {
    const file = fileIn(`${remote.folder}.files`);
    await mkdir(file.subarray(0, file.lastIndexOf('/')), { recursive: true });
    await writeFile(file, text);
    return await remote.commit({ 'index.html': text });
  }

  async function expectInPlace({ place }: Site, text: string): Promise<void> {
    expect(await readFile(fileIn(place.target), 'utf8')).toBe(text);
    const found = await readdir(place.target, { encoding: 'latin1' });
    expect(found.filter((entry) => entry !== '.git').sort()).toEqual(names);
  }

  test('is put back', async ({ site }) => {
    await commitThere(site, 'one');
    await look(site.place);
    await writeFile(fileIn(site.place.target), 'edited here');

    const { replaced } = await restoreDrift(cloneOf(site.place), await readDrift(cloneOf(site.place)));

    expect(replaced).toEqual([name]);
    await expectInPlace(site, 'one');
  });

  test.for([
    { drift: 'report', text: 'two' },
    { drift: 'keep', text: 'edited here' },
  ] as const)('is updated or kept, as $drift wants it', async ({ drift, text }, { site }) => {
    await commitThere(site, 'one');
    await look(site.place);
    await writeFile(fileIn(site.place.target), 'edited here');
    const commit = await commitThere(site, 'two');
    await fetch(cloneOf(site.place), site.place);

    await placeCommit(cloneOf(site.place), commit, { log, drift });

    await expectInPlace(site, text);
    expect(await readDrift(cloneOf(site.place))).toEqual(drift === 'keep' ? [name] : []);
  });

  test('is committed, beside another repository of such a name', async ({ site }) => {
    const { target } = site.place;
    await commitThere(site, 'one');
    await look(site.place);
    await writeFile(fileIn(target), 'edited here');
    await writeFiles(join(site.folder, 'other'), { 'a.txt': 'of somebody' });
    await gitIn(join(site.folder, 'other'), 'init', '--quiet');
    await rename(join(site.folder, 'other'), Buffer.from(`${target}/\xff`, 'latin1'));

    await look(site.place);

    expect(await site.remote.git('grep', '-h', 'edited', 'main')).toBe('edited here');
    const there = await site.remote.git('-c', 'core.quotePath=on', 'ls-tree', '-r', '--name-only', 'main');
    expect(there.split('\n')).toEqual(['"d\\351/caf\\351.txt"', 'index.html', 'lib/a.txt', 'lib/b.txt', 'run.sh']);
  });
});

/** Commits these files alone, with no attribute applied to them. */
async function commitAsIs({ folder, remote }: Site, files: Readonly<Record<string, string>>): Promise<string> {
  await writeFiles(join(folder, 'as-is'), files);
  await remote.git('read-tree', '--empty');
  for (const name of Object.keys(files)) {
    const id = await remote.git('hash-object', '-w', '--no-filters', join(folder, 'as-is', name));
    await remote.git('update-index', '--add', '--cacheinfo', `100644,${id},${name}`);
  }
  const commit = await remote.git('commit-tree', await remote.git('write-tree'), '-p', 'main', '-m', 'as they are');
  await remote.git('update-ref', 'refs/heads/main', commit);
  return commit;
}

async function blobOf(target: string): Promise<string> {
  return await gitIn(target, 'rev-parse', 'HEAD:lib/b.txt');
}
