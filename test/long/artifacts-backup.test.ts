import { execFile } from 'node:child_process';
import { cp, lstat, lutimes, mkdir, mkdtemp, readdir, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { backUp } from '../../agent/artifacts/files/backup.ts';
import { finishRemoval, removeContent } from '../../agent/artifacts/files/remove.ts';
import { removeStagings } from '../../agent/artifacts/files/staging.ts';
import { failureOf, filesIn, never, writeFiles } from '../support/artifacts.ts';
import { mayMount } from '../support/disk.ts';
import { cloneTo, pointsOf, type Site, serve, siteTest as test, work } from '../support/releases.ts';

const execute = promisify(execFile);
const old = { 'index.html': 'old', 'lib/deep/a.txt': 'a' };

test('what was there before is copied with modes, times, owners and links, and links are not followed', async ({
  site,
}) => {
  await writeFiles(site.place, old);
  await writeFiles(join(site.folder, 'outside'), { 'precious.txt': 'precious' });
  await symlink('../../outside', join(site.place, 'out'));
  await symlink('nowhere', join(site.place, 'lib', 'dangling'));
  await execute('mkfifo', [join(site.place, 'pipe')]);
  await execute('chmod', ['4750', join(site.place, 'index.html')]);
  await execute('chmod', ['0500', join(site.place, 'lib')]);
  if (process.getuid?.() === 0) await execute('chown', ['-R', '12345:54321', join(site.place, 'lib')]);
  const kept = ['index.html', 'lib/deep/a.txt', 'lib/deep', 'lib/dangling', 'lib', ''];
  for (const name of kept) await lutimes(join(site.place, name), 1_000, 2_000);

  const backup = await backUp(`${site.place}/`, { log: site.log, signal: never });

  expect(backup).toBe(`${site.place}_backup`);
  expect(await filesIn(`${site.place}_backup`)).toMatchObject(old);
  expect(await readlink(`${site.place}_backup/out`)).toBe('../../outside');
  expect(await readlink(`${site.place}_backup/lib/dangling`)).toBe('nowhere');
  await expect(lstat(`${site.place}_backup/pipe`)).rejects.toThrow('ENOENT');
  expect(site.logged()).toContain('"event":"artifact.not-backed-up"');
  for (const name of kept) {
    const [before, copied] = [await lstat(join(site.place, name)), await lstat(join(`${site.place}_backup`, name))];
    expect([copied.mode, copied.uid, copied.gid, copied.mtimeMs]).toEqual([
      before.mode,
      before.uid,
      before.gid,
      2_000_000,
    ]);
  }
});

test('a backup is made once, and of something', async ({ site }) => {
  const job = { log: site.log, signal: never };
  expect(await backUp(site.place, job)).toBeNull();
  await mkdir(site.place, { recursive: true });
  expect(await backUp(site.place, job)).toBeNull();
  await writeFiles(site.place, old);
  await backUp(site.place, job);
  await writeFiles(site.place, { 'index.html': 'placed' });

  expect(await backUp(site.place, job)).toBeNull();

  expect(await filesIn(`${site.place}_backup`)).toEqual(old);
  expect(await readdir(join(site.place, '..'))).toEqual(['www', 'www_backup']);
});

test.skipIf(!mayMount)('a backup that does not fit is a failure, and leaves no part of it', async ({ site }) => {
  const srv = join(site.place, '..');
  await mkdir(srv);
  await execute('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', srv]);
  try {
    await writeFiles(site.place, { 'large.bin': 'a'.repeat(700_000) });

    const error = await failureOf(backUp(site.place, { log: site.log, signal: never }));

    expect(error).toMatchObject({
      code: 'ARTIFACT_BACKUP_FAILED',
      lasting: false,
      remedy: expect.stringMatching(/space/),
    });
    expect(await readdir(srv)).toEqual(['www']);
  } finally {
    await execute('umount', ['--lazy', srv]);
  }
});

test('what we placed is removed, and what was there before comes back', async ({ site }) => {
  for (const layout of ['in-place', 'releases']) {
    await writeFiles(site.place, old);
    await backUp(site.place, { log: site.log, signal: never });
    await placeAs(layout, site);

    expect(await removeContent(site.place, { log: site.log, signal: never })).toBe(true);

    expect(await filesIn(site.place)).toEqual(old);
    expect(await readdir(join(site.place, '..'))).toEqual(['www']);
  }
});

test('without a backup nothing is left', async ({ site }) => {
  for (const layout of ['in-place', 'releases']) {
    await placeAs(layout, site);

    await removeContent(site.place, { log: site.log, signal: never });

    expect(await readdir(join(site.place, '..'))).toEqual([]);
  }
});

test('where nothing of ours is, nothing is removed or restored', async ({ site }) => {
  const job = { log: site.log, signal: never };
  expect(await removeContent(site.place, job)).toBe(false);
  await writeFiles(site.place, old);
  await writeFiles(`${site.place}_backup`, { 'index.html': 'backup' });
  await writeFiles(`${site.place}.releases`, { 'notes.txt': 'not ours' });
  await execute('git', ['clone', '--quiet', '--bare', site.origin.folder, join(site.place, '.git')]);

  expect(await removeContent(site.place, job)).toBe(false);
  expect(await finishRemoval(site.place, job)).toBe(false);

  expect(await filesIn(site.place)).toMatchObject(old);
  expect(await filesIn(`${site.place}_backup`)).toEqual({ 'index.html': 'backup' });
  expect(await filesIn(`${site.place}.releases`)).toEqual({ 'notes.txt': 'not ours' });
});

test('links out of the tree lose nothing', async ({ site }) => {
  const outside = join(site.folder, 'outside');
  await writeFiles(outside, { 'precious.txt': 'precious' });
  for (const layout of ['in-place', 'releases']) {
    await placeAs(layout, site);
    await symlink(outside, join(site.place, 'link'));
    await symlink(join(outside, 'precious.txt'), join(site.place, 'lib', 'link'));
    await symlink(outside, `${site.place}_backup`);

    await removeContent(site.place, { log: site.log, signal: never });

    expect(await filesIn(outside)).toEqual({ 'precious.txt': 'precious' });
    await expect(lstat(site.place)).rejects.toThrow('ENOENT');
    await rm(`${site.place}_backup`);
  }
});

test('behind a link the operator made, the content is removed and the link stays', async ({ site }) => {
  await mkdir(join(site.folder, 'disk', 'www'), { recursive: true });
  await mkdir(join(site.folder, 'srv'));
  await symlink(join(site.folder, 'disk', 'www'), site.place);
  await writeFiles(site.place, old);
  await backUp(site.place, { log: site.log, signal: never });
  await placeAs('in-place', site);

  await removeContent(site.place, { log: site.log, signal: never });

  expect(await filesIn(join(site.folder, 'disk', 'www'))).toEqual(old);
  expect((await lstat(site.place)).isSymbolicLink()).toBe(true);
  expect(await readdir(join(site.folder, 'srv'))).toEqual(['www']);
});

test.skipIf(!mayMount)(
  'a mount point is emptied and filled again, and what is mounted in it stays',
  async ({ site }) => {
    await writeFiles(site.place, old);
    await backUp(site.place, { log: site.log, signal: never });
    await execute('mount', ['-t', 'tmpfs', 'tmpfs', site.place]);
    const uploads = join(site.place, 'var', 'uploads');
    await placeAs('in-place', site);
    await mkdir(uploads, { recursive: true });
    await execute('mount', ['-t', 'tmpfs', 'tmpfs', uploads]);
    try {
      await writeFiles(uploads, { 'photo.jpg': 'photo' });
      await writeFiles(site.place, { 'var/other.txt': 'other' });

      await removeContent(site.place, { log: site.log, signal: never });

      expect(await filesIn(site.place)).toEqual({ ...old, 'var/uploads/photo.jpg': 'photo' });
      expect(await readdir(site.place)).not.toContain('.git');
      expect(await readdir(join(site.place, '..'))).toEqual(['www']);
    } finally {
      await execute('umount', ['--lazy', uploads]);
      await execute('umount', ['--lazy', site.place]);
    }
  },
);

test('killed -9 at any step of a backup or a removal, the next call completes it', { timeout: 120_000 }, async ({
  site,
}) => {
  for (const layout of ['in-place', 'releases']) {
    await writeFiles(site.place, old);
    const copied = await copyOf(site);
    const backupPoints = await pointsOf([copied, 'backup'], `${copied}-points`);
    for (const [index] of backupPoints.entries()) {
      const place = await copyOf(site);
      expect(await work([place, 'backup'], `all:${index + 1}:kill`)).toBe('SIGKILL');
      await removeStagings(place, join(site.folder, 'state'));
      expect(await filesIn(place)).toEqual(old);
      await backUp(place, { log: site.log, signal: never });
      expect(await filesIn(`${place}_backup`)).toEqual(old);
      expect(await readdir(join(place, '..'))).toEqual(['www', 'www_backup']);
    }

    await backUp(site.place, { log: site.log, signal: never });
    await placeAs(layout, site);
    const removed = await copyOf(site);
    const points = await pointsOf([removed, 'remove'], `${removed}-points`);
    expect(points).toEqual(['remove.aside', 'remove.restored']);
    for (const [index] of points.entries())
      for (const complete of [removeContent, finishRemoval]) {
        const place = await copyOf(site);
        expect(await work([place, 'remove'], `all:${index + 1}:kill`)).toBe('SIGKILL');
        expect(await complete(place, { log: site.log, signal: never })).toBe(true);
        expect(await filesIn(place)).toEqual(old);
        expect(await readdir(join(place, '..'))).toEqual(['www']);
      }
    await rm(join(site.place, '..'), { recursive: true });
  }
});

test.skipIf(!mayMount)(
  'killed -9 while a mount point is emptied and filled, the next call completes it',
  async ({ site }) => {
    await writeFiles(site.place, old);
    await backUp(site.place, { log: site.log, signal: never });
    await rm(site.place, { recursive: true });
    await mkdir(site.place);
    const steps = [
      'remove.emptied',
      'remove.aside',
      'remove.moved',
      'remove.moved',
      'remove.restored',
      'remove.renamed',
    ];
    for (const [index] of steps.entries()) {
      const place = await copyOf(site);
      await execute('mount', ['-t', 'tmpfs', 'tmpfs', place]);
      try {
        await placeAs('in-place', { ...site, place });
        expect(await work([place, 'remove'], `all:${index + 1}:kill`)).toBe('SIGKILL');

        expect(await removeContent(place, { log: site.log, signal: never })).toBe(true);

        expect(await filesIn(place)).toEqual(old);
        expect((await readdir(place)).sort()).toEqual(['index.html', 'lib']);
        expect(await readdir(join(place, '..'))).toEqual(['www']);
      } finally {
        await execute('umount', ['--lazy', place]);
      }
    }
  },
);

/** Puts a commit there in the way of that layout. */
async function placeAs(layout: string, site: Site): Promise<void> {
  const commit = await site.origin.commit({ 'index.html': 'placed', 'lib/b.txt': 'b' });
  if (layout === 'releases') return void (await serve(site, commit));
  const clone = await cloneTo(join(site.folder, 'clone'), site.origin);
  await mkdir(site.place, { recursive: true });
  await cp(clone.folder, await realpath(site.place), { recursive: true });
  await execute('git', ['-C', site.place, 'reset', '--hard', '--quiet', commit]);
}

/** A place of its own that looks like that of the site. */
async function copyOf(site: Site): Promise<string> {
  const folder = await mkdtemp(join(site.folder, 'copy-'));
  await cp(join(site.place, '..'), folder, { recursive: true, verbatimSymlinks: true });
  return join(folder, 'www');
}
