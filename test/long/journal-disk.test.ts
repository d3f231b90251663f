import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Journal, readJournal } from '../../agent/journal/journal.ts';
import { diskTest, fill, mayMount } from '../support/disk.ts';
import { journalTest, type StateDir } from '../support/journal.ts';
import { input, receipt } from '../support/journal-entries.ts';

const program = new URL('../support/journal-writer.ts', import.meta.url).pathname;
const isRoot = process.getuid?.() === 0;

describe.skipIf(!mayMount)('a full disk', () => {
  diskTest('makes the agent act from memory; space makes the file tell the truth again', ({ disk, onDisk }) => {
    const { journal } = onDisk.open();
    const changes: boolean[] = [];
    journal.onFailure((failed) => changes.push(failed));
    journal.append(input('before', { started: true }, ['InstanceStartedEvent']));
    fill(disk);

    const written = appendUntilFailed(journal);
    const onFile = readJournal(onDisk.path).recovery;
    journal.append(receipt('InstanceStartedEvent'));
    journal.append(input('after', { started: true, activated: true }, ['InstanceActivatedEvent']));

    expect(journal.failed).toBe(true);
    expect(onFile).toMatchObject({ facts: { started: true, attempts: { count: written - 1 } }, problems: [] });
    expect(readJournal(onDisk.path).recovery).toEqual({
      ...onFile,
      startedAgoMs: expect.any(Number),
      stateForMs: expect.any(Number),
      lastWrittenAgoMs: expect.any(Number),
    });
    rmSync(join(disk, 'ballast'));
    journal.append(input('space', { started: true, activated: true, leaving: true }));
    expect(journal.failed).toBe(false);
    expect(changes).toEqual([true, false]);
    const { recovery } = onDisk.open();
    expect(recovery).toMatchObject({ facts: { leaving: true }, undelivered: ['InstanceActivatedEvent'], problems: [] });
    expect(recovery.leavingForMs).toBeLessThan(60_000);
    for (const line of onDisk.lines()) expect(JSON.parse(line)).toHaveProperty('kind');
  });

  diskTest('is noticed to have space again though nothing happens', { timeout: 20_000 }, async ({ disk, onDisk }) => {
    const { journal } = onDisk.open();
    fill(disk);
    appendUntilFailed(journal);

    rmSync(join(disk, 'ballast'));

    await expect.poll(() => journal.failed, { timeout: 15_000 }).toBe(false);
    expect(onDisk.lines().at(-1)).toContain('"checkpoint"');
  });

  diskTest('at the start is no reason not to know', ({ disk, onDisk }) => {
    onDisk.open().journal.append(input('a', { started: true }, ['InstanceStartedEvent']));
    fill(disk);
    const first = onDisk.open();
    appendUntilFailed(first.journal);

    const { recovery, journal } = onDisk.open();

    expect(recovery).toMatchObject({ facts: { started: true }, undelivered: ['InstanceStartedEvent'], problems: [] });
    appendUntilFailed(journal);
  });

  diskTest('on which nothing was ever written is none either', ({ disk, onDisk }) => {
    fill(disk);
    const { recovery, journal } = onDisk.open();
    journal.append(input('a', { started: true }));
    expect({ facts: recovery.facts, failed: journal.failed }).toEqual({ facts: null, failed: true });

    rmSync(join(disk, 'ballast'));
    journal.append(input('b', { started: true, activated: true }));

    expect(journal.failed).toBe(false);
    expect(onDisk.open().recovery).toMatchObject({ facts: { activated: true }, problems: [] });
  });

  diskTest('never leaves half a file beside the journal', ({ disk, onDisk }) => {
    const { journal } = onDisk.open();
    fill(disk);
    appendUntilFailed(journal);
    journal.append(input('more'));

    expect(readdirSync(onDisk.path)).toEqual(['journal']);
  });
});

describe.skipIf(!mayMount)('a disk that became read-only', () => {
  diskTest('is read, and written again once it can be', ({ disk, onDisk }) => {
    const first = onDisk.open();
    first.journal.append(input('a', { started: true }, ['InstanceStartedEvent']));
    first.journal.close();
    execFileSync('mount', ['-o', 'remount,ro', disk]);

    const { recovery, journal } = onDisk.open();
    journal.append(input('b', { started: true, activated: true }, ['InstanceActivatedEvent']));

    expect(recovery).toMatchObject({ facts: { started: true }, undelivered: ['InstanceStartedEvent'] });
    expect(journal.failed).toBe(true);
    execFileSync('mount', ['-o', 'remount,rw', disk]);
    journal.append(receipt('InstanceStartedEvent'));
    expect(journal.failed).toBe(false);
    expect(onDisk.open().recovery).toMatchObject({
      facts: { activated: true },
      undelivered: ['InstanceActivatedEvent'],
    });
  });

  diskTest("with another member's journal on it is not believed, and replaced later", ({ disk, onDisk }) => {
    onDisk.open({ memberId: 'php-2.php.domain' }).journal.close();
    execFileSync('mount', ['-o', 'remount,ro', disk]);

    const { recovery, journal } = onDisk.open();

    expect(recovery).toMatchObject({ facts: null, problems: [{ code: 'JOURNAL_FOREIGN' }] });
    expect(journal.failed).toBe(true);
    execFileSync('mount', ['-o', 'remount,rw', disk]);
    journal.append(input('a', { started: true }));
    expect(readFileSync(onDisk.journalPath, 'utf8')).not.toContain('php-2.php.domain');
  });
});

describe('somebody', () => {
  const deeds: Readonly<Record<string, (stateDir: StateDir) => void>> = {
    'removes the journal': (stateDir) => rmSync(stateDir.journalPath),
    'removes state.dir': (stateDir) => rmSync(stateDir.path, { recursive: true }),
    'moves the journal away': (stateDir) => renameSync(stateDir.journalPath, `${stateDir.journalPath}.old`),
    'empties the journal': (stateDir) => writeFileSync(stateDir.journalPath, ''),
    'writes into the journal': (stateDir) => writeFileSync(stateDir.journalPath, 'note to self', { flag: 'a' }),
  };

  journalTest.for(Object.entries(deeds))('%s: it is written anew from memory', ([, deed], { stateDir }) => {
    const { journal } = stateDir.open();
    journal.append(input('a', { started: true }, ['InstanceStartedEvent']));

    deed(stateDir);
    journal.append(input('b', { started: true, activated: true }, ['InstanceActivatedEvent']));

    expect(journal.failed).toBe(false);
    const undelivered = ['InstanceStartedEvent', 'InstanceActivatedEvent'];
    expect(stateDir.open().recovery).toMatchObject({ facts: { activated: true }, undelivered, problems: [] });
  });

  journalTest('copied the journal for all to read: it becomes private', ({ stateDir }) => {
    stateDir.open().journal.close();
    chmodSync(stateDir.journalPath, 0o644);

    stateDir.open();

    expect(execFileSync('stat', ['-c', '%a', stateDir.journalPath], { encoding: 'utf8' }).trim()).toBe('600');
  });
});

describe('an agent', () => {
  journalTest('lives on at the limit of the size of a file', ({ stateDir }) => {
    mkdirSync(stateDir.path);

    const said = run('bash', ['-c', 'ulimit -f 4; exec "$0" "$@"', process.execPath, program, stateDir.path, '30']);

    expect(said).toContain('failed');
    expect(said.at(-1)).toBe('done');
    const { recovery } = readJournal(stateDir.path);
    expect(recovery.problems).toEqual([]);
    expect(recovery.facts?.attempts['count']).toBeGreaterThan(1);
  });

  journalTest.skipIf(!isRoot)('lives on without the right to its own folder', ({ stateDir }) => {
    stateDir.open().journal.close();

    const said = run('setpriv', ['--reuid=65534', '--clear-groups', process.execPath, program, stateDir.path, '3']);

    expect(said).toEqual(['failed', '1', '2', '3', 'done']);
    expect(readJournal(stateDir.path).recovery.facts).toBe(null);
  });

  journalTest.skipIf(!isRoot)('replaces a journal that belongs to somebody else', ({ stateDir }) => {
    stateDir.open().journal.append(input('a', { started: true }));
    chownSync(join(stateDir.path, '..'), 65534, 65534);
    chownSync(stateDir.path, 65534, 65534);
    chmodSync(stateDir.journalPath, 0o644);

    const said = run('setpriv', ['--reuid=65534', '--clear-groups', process.execPath, program, stateDir.path, '3']);

    expect(said).toEqual(['1', '2', '3', 'done']);
    expect(readJournal(stateDir.path).recovery).toMatchObject({ facts: { started: true, attempts: { count: 3 } } });
  });
});

/** @returns how many lines were tried; the last one failed */
function appendUntilFailed(journal: Journal): number {
  for (let count = 1; count < 200; count += 1) {
    if (journal.failed) return count - 1;
    journal.append(input('filler', { started: true, attempts: { count } }));
  }
  throw new Error('the disk does not become full');
}

function run(command: string, args: readonly string[]): string[] {
  const env = { ...process.env, CARTRIDGE_AGENT_FAULT: '' };
  return execFileSync(command, args, { env, encoding: 'utf8' }).trim().split('\n');
}
