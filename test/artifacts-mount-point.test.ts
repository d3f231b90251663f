import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { deploy, failureOf, filesIn, instanceTest, writeFiles } from './support/artifacts.ts';
import { mayMount } from './support/disk.ts';

const mega = 2 ** 20;

const test = instanceTest.extend<{ mount: (options: string) => void }>({
  mount: async ({ instance }, use) => {
    await mkdir(instance.target, { recursive: true });
    await use((options) => execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', instance.target]));
    execFileSync('umount', ['--lazy', instance.target]);
  },
});

describe.skipIf(!mayMount)('an APPLICATION_PATH with a disk of its own', () => {
  test('that has no room for clone and files keeps what was there', async ({ instance, mount }) => {
    // Enough for the files alone, or for the clone.
    mount('size=4m');
    await writeFiles(instance.target, { 'index.html': 'before' });
    await instance.repository.commit({ 'big.bin': randomBytes(3 * mega) });
    const artifacts = instance.artifacts();

    const error = await failureOf(deploy(artifacts, instance.repository.url));

    const facts = { folder: instance.target, neededBytes: expect.any(Number), freeBytes: expect.any(Number) };
    expect(error).toMatchObject({ code: 'ARTIFACT_NO_SPACE', facts });
    expect(await filesIn(instance.target)).toEqual({ 'index.html': 'before' });
    mount('remount,size=8m');
    await deploy(artifacts, instance.repository.url);
    expect(await readFile(join(instance.target, 'index.html'), 'utf8')).toBe('first');
  });

  test('that is filled by others meanwhile has no half of a clone in its way', async ({ instance, mount }) => {
    // No more folders and files than these: what is counted is there, and gone while the clone is copied.
    mount('size=8m,nr_inodes=12');
    await writeFiles(instance.target, { 'index.html': 'before' });

    const error = await failureOf(deploy(instance.artifacts(), instance.repository.url));

    expect(error).toMatchObject({ remedy: expect.stringContaining('Free disk space') });
    expect(await readdir(instance.target)).toEqual(['index.html']);
  });
});
