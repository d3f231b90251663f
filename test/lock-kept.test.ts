import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { askAgent } from '../agent/asks.ts';
import { type Claim, StateDirTakenError } from '../agent/lock.ts';
import { mayMount } from './support/disk.ts';
import { lockTest as test } from './support/lock.ts';

describe('the lock of a state.dir', () => {
  const deeds: Readonly<Record<string, (stateDir: string) => void>> = {
    'the folder is removed': (stateDir) => rmSync(stateDir, { recursive: true }),
    'the folder is moved away': (stateDir) => renameSync(stateDir, `${stateDir}.old`),
    'the folder is emptied': (stateDir) => {
      for (const name of readdirSync(stateDir)) rmSync(join(stateDir, name), { recursive: true });
    },
    'the lock is removed': (stateDir) => rmSync(join(stateDir, 'control'), { recursive: true }),
    'what is in the lock is removed': (stateDir) => {
      for (const name of readdirSync(join(stateDir, 'control'))) rmSync(join(stateDir, 'control', name));
    },
    'control.sock is removed': (stateDir) => rmSync(join(stateDir, 'control.sock')),
    'control.sock is replaced': (stateDir) => {
      rmSync(join(stateDir, 'control.sock'));
      writeFileSync(join(stateDir, 'control.sock'), 'rubbish');
    },
  };

  test.for(Object.entries(deeds))('is there again when %s', async ([what, deed], { lock }) => {
    const claim = await lock.keep();
    claim.onAsk(async () => ({ still: 'here' }));
    let reclaimed = 0;
    claim.onReclaimed(() => {
      reclaimed += 1;
    });

    deed(lock.stateDir);

    await expect.poll(() => isWhole(lock.stateDir)).toBe(true);
    expect(await askAgent(join(lock.stateDir, 'control.sock'), { ask: 'x' }, within())).toEqual({ still: 'here' });
    await expect(lock.claim('php-2')).rejects.toThrow(/the agent of member php-1 runs there/);
    expect(claim.failed).toBe(false);
    expect(reclaimed).toBe(what.startsWith('control.sock') ? 0 : 1);
    await claim.release();
    expect(readdirSync(lock.stateDir)).toEqual([]);
  });

  test('that another agent has got meanwhile is the other one’s, and the first is told', async ({ lock }) => {
    const claim = await lock.keep();
    const other = await lock.contender();
    rmSync(lock.stateDir, { recursive: true });

    // Until one of them has it: the first may have been quicker.
    const answer = await other.tell(`claim ${lock.stateDir}`);

    if (answer === 'won') await expect(claim.taken).rejects.toThrow(StateDirTakenError);
    else expect(answer).toMatch(/^lost .* member php-1/);
    const owner = await askAgent(join(lock.stateDir, 'control.sock'), { ask: 'who' }, within());
    expect(owner).toMatchObject({ pid: answer === 'won' ? other.process.pid : process.pid });
    expect(readdirSync(join(lock.stateDir, 'control'))).toHaveLength(1);
  });

  test('that was taken by another while nobody looked is not fought for', async ({ lock }) => {
    const claim = await lock.keep();
    const other = await lock.contender();
    const elsewhere = `${lock.stateDir}.other`;
    expect(await other.tell(`claim ${elsewhere}`)).toBe('won');

    // In one step, as a disk that is mounted over it.
    renameSync(lock.stateDir, `${lock.stateDir}.old`);
    renameSync(elsewhere, lock.stateDir);

    await expect(claim.taken).rejects.toThrow(`pid ${other.process.pid}`);
    await claim.release();
    const owner = await askAgent(join(lock.stateDir, 'control.sock'), { ask: 'who' }, within());
    expect(owner).toMatchObject({ pid: other.process.pid });
  });

  test('of many that have lost it has one owner again, and the others are told', async ({ lock }) => {
    for (let round = 0; round < 10; round += 1) {
      writeFileSync(lock.stateDir, 'no folder');
      const claims = await Promise.all(Array.from({ length: 4 }, (_, index) => lock.keep(`php-${index}`)));
      expect(claims.map(({ failed }) => failed)).toEqual([true, true, true, true]);

      rmSync(lock.stateDir);

      const ends = await Promise.all(
        claims.map((claim) => Promise.race([held(claim), claim.taken.catch(() => 'lost')])),
      );
      expect(ends.filter((end) => end === 'held')).toHaveLength(1);
      await Promise.all(claims.map((claim) => claim.release()));
      expect(readdirSync(lock.stateDir)).toEqual([]);
      rmSync(lock.stateDir, { recursive: true });
    }
  });
});

describe.skipIf(!mayMount)('a state.dir that cannot be written', () => {
  test('at the start is claimed as soon as it can be', async ({ lock }) => {
    mkdirSync(lock.stateDir);
    const uncover = cover(lock.stateDir);
    const claim = await lock.keep();
    claim.onAsk(async () => ({ at: 'last' }));
    const changes: boolean[] = [];
    claim.onFailure((failed) => changes.push(failed));
    expect({ server: claim.server, failed: claim.failed }).toEqual({ server: null, failed: true });

    uncover();

    await held(claim);
    expect(await askAgent(join(lock.stateDir, 'control.sock'), { ask: 'x' }, within())).toEqual({ at: 'last' });
    await expect(lock.claim('php-2')).rejects.toThrow('member php-1');
    expect(changes).toEqual([false]);
  });

  test('for a while is still claimed by the same socket afterwards', async ({ lock }) => {
    const claim = await lock.keep();
    const before = readdirSync(join(lock.stateDir, 'control'));

    const uncover = cover(lock.stateDir);
    await expect.poll(() => claim.failed).toBe(true);
    uncover();
    await expect.poll(() => claim.failed).toBe(false);

    expect(readdirSync(join(lock.stateDir, 'control'))).toEqual(before);
    await expect(lock.claim('php-2')).rejects.toThrow('member php-1');
  });

  test('any more lets the agent end all the same', async ({ lock }) => {
    mkdirSync(lock.stateDir);
    const uncover = cover(lock.stateDir, 'rw');
    const claim = await lock.keep();
    execFileSync('mount', ['-o', 'remount,ro', lock.stateDir]);

    await claim.release();

    expect(existsSync(join(lock.stateDir, 'control.sock'))).toBe(true);
    uncover();
  });
});

const within = () => ({ timeoutMs: 2_000 });

async function held(claim: Claim): Promise<'held'> {
  await expect.poll(() => claim.server !== null && !claim.failed).toBe(true);
  return 'held';
}

/** The lock is there, and known by its other name. */
function isWhole(stateDir: string): boolean {
  const known = lstatSync(join(stateDir, 'control.sock'), { throwIfNoEntry: false });
  const folder = join(stateDir, 'control');
  const owners = existsSync(folder) ? readdirSync(folder) : [];
  return known?.isSocket() === true && owners.length === 1;
}

/** Mounts an empty disk over the folder. @returns takes it away again */
function cover(folder: string, mode: 'ro' | 'rw' = 'ro'): () => void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `${mode},size=64k`, 'tmpfs', folder]);
  let isCovered = true;
  const uncover = () => {
    if (isCovered) execFileSync('umount', ['--lazy', folder]);
    isCovered = false;
  };
  onTestFinished(uncover);
  return uncover;
}
