import { statSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { readJournal } from '../agent/journal/journal.ts';
import { memberId, journalTest as test } from './support/journal.ts';
import { input, receipt } from './support/journal-entries.ts';
import { artifact, provenance } from './support/provenance.ts';

describe('the record of an artifact', () => {
  test('is told by the journal, and the last of each tenant after a restart', ({ stateDir }) => {
    const { journal } = stateDir.open();
    const records = [
      provenance({ tenantId: '1', subject: 'first' }),
      provenance({ tenantId: '2', signedBy: 'ann@example.org' }),
      provenance({ tenantId: '1', what: 'drifted', paths: ['config.php'], changedFiles: 1 }),
    ];
    for (const record of records) journal.append({ kind: 'artifact', record });
    journal.close();

    expect(readJournal(stateDir.path).artifacts).toEqual(records);
    expect(stateDir.open().recovery.artifacts).toEqual([records[2], records[1]]);
  });

  test('changes nothing that the machine goes by', ({ stateDir }) => {
    const { journal } = stateDir.open();
    journal.append(input('a', { started: true, leaving: true }, ['InstanceMaintenanceModeEvent']));
    journal.append(artifact());
    journal.append(receipt('InstanceMaintenanceModeEvent'));
    journal.append(artifact({ what: 'removed' }));

    const { recovery } = stateDir.open();

    expect(recovery).toMatchObject({ state: 'pendingTermination', undelivered: [], problems: [] });
    expect(recovery.facts).toMatchObject({ started: true, leaving: true, activated: false });
    expect(recovery.leavingForMs).toBeGreaterThanOrEqual(0);
  });

  test('does not hide what was decided in a damaged line before it', async ({ stateDir }) => {
    stateDir.open();
    const at = new Date().toISOString();
    await stateDir.write([
      { sequence: 1, at, kind: 'opened', memberId },
      { sequence: 2, at, ...input('a', { started: true }) },
      {
        sequence: 3,
        at,
        ...input('damaged', { started: true, activated: true }, ['InstanceActivatedEvent']),
        crc32: 1,
      },
      { sequence: 4, at, ...artifact() },
      { sequence: 5, at, ...input('b', { started: true, activated: true }) },
    ]);

    expect(stateDir.open().recovery.undelivered).toEqual(['InstanceActivatedEvent']);
  });

  test('is bounded, and shows what it says', ({ stateDir }) => {
    const { journal } = stateDir.open();
    const long = '\u001b[2J\n'.repeat(100_000);
    journal.append(artifact({ subject: long, reason: long, paths: Array.from({ length: 5_000 }, () => long) }));

    const [record] = readJournal(stateDir.path).artifacts;

    expect(record?.paths).toHaveLength(20);
    expect(record?.subject).toMatch(/^[?[2J]{249}…$/);
    expect(statSync(stateDir.journalPath).size).toBeLessThan(20_000);
  });

  test('of a kind that is yet to come is left out, and kept for the version that knows it', ({ stateDir }) => {
    const { journal } = stateDir.open();
    journal.append({ kind: 'artifact', record: { ...provenance(), what: 'teleported' } as never });
    journal.append(artifact());
    makeLong(stateDir.open().journal);

    stateDir.open();

    expect(readJournal(stateDir.path).artifacts).toEqual([provenance()]);
    expect(stateDir.lines().some((line) => line.includes('"teleported"'))).toBe(true);
  });
});

describe('a journal that is compacted', () => {
  test('keeps the newest 100 records, and the last of each tenant that is there', ({ stateDir }) => {
    const { journal } = stateDir.open();
    journal.append(artifact({ tenantId: '7', subject: 'old but served' }));
    journal.append(artifact({ tenantId: '8', subject: 'old and gone', what: 'removed' }));
    for (let number = 1; number <= 150; number += 1) journal.append(artifact({ subject: `number ${number}` }));
    makeLong(journal);
    journal.close();

    const { recovery } = stateDir.open();
    stateDir.open();

    const { artifacts } = readJournal(stateDir.path);
    const subjects = artifacts.map(({ subject }) => subject);
    const newest = Array.from({ length: 99 }, (_, index) => `number ${index + 52}`);
    expect(subjects).toEqual(['old but served', ...newest]);
    expect(recovery.artifacts.map(({ subject }) => subject)).toEqual(['old but served', 'number 150']);
    expect(stateDir.lines().length).toBeLessThan(250);
  });

  test('keeps their lines among the others, in order, and month after month', async ({ stateDir }) => {
    stateDir.open();
    const old = new Date(Date.now() - 90 * 24 * 3_600_000).toISOString();
    const now = new Date().toISOString();
    await stateDir.write([
      { sequence: 1, at: old, kind: 'opened', memberId },
      { sequence: 2, at: old, ...artifact() },
      { sequence: 3, at: old, ...input('old', { started: true }) },
      { sequence: 4, at: now, ...input('new', { started: true }) },
      { sequence: 5, at: now, ...artifact() },
    ]);

    stateDir.open().journal.close();
    const sizeBytes = statSync(stateDir.journalPath).size;
    stateDir.open().journal.append(input('newer', { started: true }));

    const kinds = stateDir.lines().map((line) => JSON.parse(line).kind);
    expect(kinds).toEqual(['artifact', 'input', 'artifact', 'opened', 'checkpoint', 'opened', 'input']);
    // What is old and stays is no reason to compact again and again.
    expect(statSync(stateDir.journalPath).size).toBeGreaterThan(sizeBytes);
  });

  test('stays small, however many tenants there are and whatever they are called', ({ stateDir }) => {
    const { journal } = stateDir.open();
    for (let tenant = 1; tenant <= 400; tenant += 1)
      journal.append(artifact({ tenantId: `${tenant}`, subject: 'ü'.repeat(240), reason: 'ü'.repeat(480) }));
    makeLong(journal);
    journal.close();

    const { recovery } = stateDir.open();

    expect(recovery.artifacts.at(-1)?.tenantId).toBe('400');
    expect(recovery.artifacts.length).toBeGreaterThan(100);
    expect(statSync(stateDir.journalPath).size).toBeLessThan(320_000);
  });
});

/** So that the next start finds more than it wants to read every time. */
function makeLong(journal: { append(entry: ReturnType<typeof input>): void }): void {
  const big = { type: 'big', text: 'x'.repeat(10_000) };
  for (let count = 0; count < 12; count += 1)
    journal.append({ ...input('big', { started: true }), input: big } as ReturnType<typeof input>);
}
