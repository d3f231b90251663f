import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { journalTest, type StateDir, stateDirIn } from './journal.ts';

/** Whether disks can be made here. */
export const mayMount = tryToMount();

/** A disk of 64 KiB. */
export const diskTest = journalTest.extend<{ disk: string; onDisk: StateDir }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that are needed from the pattern
  disk: async ({}, use) => {
    const disk = mkdtempSync(join(tmpdir(), 'disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', disk]);
    await use(disk);
    execFileSync('umount', ['--lazy', disk]);
    rmSync(disk, { recursive: true });
  },
  onDisk: async ({ disk }, use) => {
    const stateDir = stateDirIn(join(disk, 'state'));
    await use(stateDir);
    stateDir.close();
  },
});

/** To the last byte. */
export function fill(disk: string): void {
  const ballast = join(disk, 'ballast');
  for (const size of [4_096, 512, 1])
    try {
      for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' });
    } catch {
      // Full, for pieces of this size.
    }
}

function tryToMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
