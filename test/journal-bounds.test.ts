import { existsSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { sealed } from '../agent/journal/line.ts';
import { memberId, type StateDir, journalTest as test } from './support/journal.ts';
import { input, receipt } from './support/journal-entries.ts';

const facts = { started: true, activated: true, passedGates: ['instanceStarting', 'startServers'] };
const decided = ['InstanceStartedEvent', 'InstanceActivatedEvent'];

describe('a long journal', () => {
  test('of 100,000 lines is compacted at the start, and says the same', ({ stateDir }) => {
    writeLines(stateDir, 100_000);
    expect(statSync(stateDir.journalPath).size).toBeGreaterThan(20_000_000);

    const { recovery } = stateDir.open();

    expect(recovery.facts).toMatchObject({ ...facts, attempts: { count: 99_999 } });
    expect(recovery.undelivered).toEqual(['InstanceActivatedEvent']);
    expect(statSync(stateDir.journalPath).size).toBeLessThan(65_536);
    expect(stateDir.open().recovery).toMatchObject({ facts: recovery.facts, undelivered: recovery.undelivered });
    expect(existsSync(`${stateDir.journalPath}.new`)).toBe(false);
  });

  test('keeps its last lines for whoever asks what led to this', ({ stateDir }) => {
    writeLines(stateDir, 2_000);

    stateDir.open();

    const kinds = stateDir.lines().map((line) => JSON.parse(line).kind);
    expect(kinds.slice(-3)).toEqual(['input', 'checkpoint', 'opened']);
    expect(kinds.length).toBeGreaterThan(20);
    expect(JSON.parse(stateDir.lines().at(-3) ?? '').input).toEqual({ type: '1999' });
  });

  test('is compacted while the agent runs, above 1 MiB, with what is known then', ({ stateDir }) => {
    const { journal } = stateDir.open();
    journal.append(input('a', { started: true }, ['InstanceStartedEvent']));
    journal.append(receipt('InstanceStartedEvent'));
    journal.append(input('b', { ...facts, leaving: true }, ['InstanceMaintenanceModeEvent']));
    const big = { type: 'c', text: 'x'.repeat(15_000) };

    let largest = 0;
    for (let count = 0; count < 150; count += 1) {
      journal.append({ ...input('c', { ...facts, leaving: true, attempts: { count } }), input: big } as ReturnType<
        typeof input
      >);
      largest = Math.max(largest, statSync(stateDir.journalPath).size);
    }

    expect(largest).toBeGreaterThan(1_000_000);
    expect(largest).toBeLessThan(1_100_000);
    const { recovery } = stateDir.open();
    expect(recovery).toMatchObject({ undelivered: ['InstanceMaintenanceModeEvent'], problems: [] });
    expect(recovery.facts).toMatchObject({ leaving: true, attempts: { count: 149 } });
  });

  test('loses lines older than a month at the next chance', async ({ stateDir }) => {
    stateDir.open();
    const old = new Date(Date.now() - 40 * 24 * 3_600_000).toISOString();
    await stateDir.write([
      { sequence: 1, at: old, kind: 'opened', memberId },
      { sequence: 2, at: old, ...input('old', { started: true }, ['InstanceStartedEvent']) },
    ]);

    const { recovery } = stateDir.open();

    expect(recovery.undelivered).toEqual(['InstanceStartedEvent']);
    expect(stateDir.lines().map((line) => JSON.parse(line).kind)).toEqual(['opened', 'checkpoint']);
    expect(stateDir.open().recovery).toMatchObject({ facts: { started: true }, undelivered: ['InstanceStartedEvent'] });
  });

  test('that a kill has left half compacted is the old one, and the half is gone', ({ stateDir }) => {
    stateDir.open().journal.append(input('a', { started: true }));
    writeFileSync(`${stateDir.journalPath}.new`, '{"sequence":9,"kind":"che');

    expect(stateDir.open().recovery).toMatchObject({ facts: { started: true }, problems: [] });
    expect(existsSync(`${stateDir.journalPath}.new`)).toBe(false);
  });
});

function writeLines(stateDir: StateDir, count: number): void {
  stateDir.open().journal.close();
  const at = new Date().toISOString();
  const lines = Array.from({ length: count }, (_, index) =>
    sealed({
      sequence: index + 1,
      at,
      ...(index === 5 ? receipt('InstanceStartedEvent') : input(`${index}`, { ...facts, attempts: { count: index } })),
      ...(index === 3 ? { decided } : {}),
    }),
  );
  writeFileSync(stateDir.journalPath, lines.join(''));
}
