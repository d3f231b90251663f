import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { download } from '../../agent/artifacts/download/download.ts';
import { checkFreeSpace, checkTreeSize, sizeOfChange } from '../../agent/artifacts/download/limits.ts';
import { removeDebris } from '../../agent/artifacts/git/repository.ts';
import { failureOf, jobsIn } from '../support/artifacts.ts';
import { mayMount } from '../support/disk.ts';
import { createClone, everything, look, mountDisk, objectsIn, downloadTest as test } from '../support/downloads.ts';

const mega = 1_000_000;

function limitedTo(maxBytes: number) {
  return { ...everything, limits: { maxBytes } };
}

test('a download that is too large is ended long before it is here, and leaves nothing', async ({ stage }) => {
  const { server, remote, firstCommit, clone, folder } = stage;
  await download(clone, everything);
  const objects = await objectsIn(clone);
  const before = server.sentBytes;
  await remote.commit(noise(30));

  const error = await failureOf(download(clone, limitedTo(5 * mega)));

  expect(error).toMatchObject({ code: 'ARTIFACT_TOO_LARGE', lasting: true, facts: { limitBytes: 5 * mega } });
  // What is on its way in buffers is sent, and never read.
  expect(server.sentBytes - before).toBeLessThan(12 * mega);
  expect(await jobsIn(folder)).toEqual([]);
  expect(await objectsIn(clone)).toEqual(objects);
  expect(await look(clone, 'rev-parse', 'refs/cartridge-agent/fetched')).toBe(firstCommit);
  expect(await look(clone, 'fsck', '--connectivity-only')).toBe('');
});

test.for([true, false])('a little too large is too large every time (shallow: %s)', async (isShallow, { stage }) => {
  const { remote, firstCommit, clone } = stage;
  await download(clone, { ...everything, isShallow });
  const objects = await objectsIn(clone);
  const commit = await remote.commit({ 'a.bin': randomBytes(150_000) });
  await remote.git('tag', 'v1');
  const limited = { ...limitedTo(100_000), isShallow, withTags: true };

  for (const _ of [1, 2]) {
    expect(await failureOf(download(clone, limited))).toMatchObject({ code: 'ARTIFACT_TOO_LARGE' });
    expect(await objectsIn(clone)).toEqual(objects);
    expect(await look(clone, 'for-each-ref', '--format=%(objectname)')).toBe(firstCommit);
    expect(await look(clone, 'fsck', '--full')).toBe('');
  }

  expect(await download(clone, { ...limited, limits: { maxBytes: mega } })).toMatchObject({ commit });
});

test('what is here already does not count', async ({ stage: { remote, clone } }) => {
  await remote.commit({ 'a.bin': randomBytes(80_000) });
  await download(clone, limitedTo(100_000));
  const commit = await remote.commit({ 'b.bin': randomBytes(80_000) });

  expect(await download(clone, limitedTo(100_000))).toMatchObject({ commit });
});

test('a small pack that unfolds to much is too large', async ({ stage: { remote, clone } }) => {
  await remote.commit({ 'zeros.bin': Buffer.alloc(20 * mega) });
  const { commit } = await download(clone, limitedTo(mega));

  expect(await failureOf(checkTreeSize(clone, commit, mega))).toMatchObject({ code: 'ARTIFACT_TOO_LARGE' });
  const { bytes, files } = await checkTreeSize(clone, commit, 21 * mega);
  expect({ bytes, files }).toEqual({ bytes: 20 * mega + 'first'.length, files: 2 });
});

test('a few objects that unfold to a billion files are too many, with and without a limit', async ({ stage }) => {
  const { remote, clone, folder } = stage;
  let id = await remote.git('rev-parse', 'main:index.html');
  for (let depth = 0; depth < 9; depth += 1) id = await makeTree(remote, { folder, depth, id });
  await remote.git('update-ref', 'refs/heads/main', await remote.git('commit-tree', '-m', 'a bomb', id));
  const { commit } = await download(clone, limitedTo(mega));

  expect(await failureOf(checkTreeSize(clone, commit, mega))).toMatchObject({ facts: { limitBytes: mega } });
  expect(await failureOf(checkTreeSize(clone, commit, null))).toMatchObject({ facts: { limitFiles: 1_000_000 } });
  expect(await jobsIn(folder)).toEqual([]);
});

test('an update writes what it adds and changes', async ({ stage: { remote, firstCommit, clone } }) => {
  const files = { 'a.txt': 'twelve bytes', 'b/näme': 'b', 'same.txt': 'twelve bytes' };
  const second = await remote.commit(files);
  const third = await remote.commit({ 'index.html': null, 'b/näme': 'four' });
  await download(clone, everything);

  expect(await checkTreeSize(clone, firstCommit, null)).toEqual({ bytes: 5, files: 1 });
  expect(await sizeOfChange(clone, firstCommit, second)).toEqual({ bytes: 25, files: 3 });
  expect(await sizeOfChange(clone, second, third)).toEqual({ bytes: 4, files: 1 });
  expect(await sizeOfChange(clone, third, third)).toEqual({ bytes: 0, files: 0 });
});

test('room is there or not, and the failure says how much', async ({ stage: { folder } }) => {
  await checkFreeSpace(folder, 1);

  expect(await failureOf(checkFreeSpace(folder, Number.MAX_SAFE_INTEGER))).toMatchObject({
    code: 'ARTIFACT_NO_SPACE',
    lasting: false,
    remedy: expect.stringContaining('Free disk space'),
    facts: { folder, neededBytes: Number.MAX_SAFE_INTEGER, freeBytes: expect.any(Number) },
  });
});

test.skipIf(!mayMount)('a disk that gets full during a download keeps what it had', async ({ stage }) => {
  const { remote, firstCommit } = stage;
  await using disk = await mountDisk('20m');
  const clone = await createClone(join(disk.folder, 'clone'), remote.url);
  await download(clone, everything);
  await remote.commit(noise(24));

  const error = await failureOf(download(clone, everything));

  expect(error).toMatchObject({ code: 'ARTIFACT_NO_SPACE', facts: { folder: clone.folder } });
  expect(await look(clone, 'show', `${firstCommit}:index.html`)).toBe('first');
  await removeDebris(clone.folder);
  expect(await disk.freeBytes()).toBeGreaterThan(17 * mega);
});

test.skipIf(!mayMount)('a disk that is nearly full is not filled up', async ({ stage: { remote, server } }) => {
  await using disk = await mountDisk('8m');
  const clone = await createClone(join(disk.folder, 'clone'), remote.url);

  const error = await failureOf(download(clone, everything));

  expect(error).toMatchObject({ code: 'ARTIFACT_NO_SPACE', facts: { freeBytes: expect.any(Number) } });
  expect(server.sentBytes).toBe(0);
});

/** Files of a megabyte each that no git makes smaller. */
function noise(files: number): Record<string, Buffer> {
  return Object.fromEntries(Array.from({ length: files }, (_, index) => [`${index}.bin`, randomBytes(mega)]));
}

/** A tree that has another object ten times. */
async function makeTree(
  remote: { git(...args: string[]): Promise<string> },
  { folder, depth, id }: { folder: string; depth: number; id: string },
): Promise<string> {
  const entries = Array.from({ length: 10 }, (_, index) =>
    Buffer.concat([Buffer.from(`${depth === 0 ? 100644 : 40000} entry${index}\0`), Buffer.from(id, 'hex')]),
  );
  const file = join(folder, `tree${depth}`);
  await writeFile(file, Buffer.concat(entries));
  return await remote.git('hash-object', '-t', 'tree', '-w', file);
}
