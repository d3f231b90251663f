import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect } from 'vitest';
import { readJournal } from '../agent/journal/journal.ts';
import { sealed } from '../agent/journal/line.ts';
import { noFacts } from '../state/lifecycle/facts.ts';
import { memberId, journalTest as test } from './support/journal.ts';
import { input, receipt } from './support/journal-entries.ts';

describe('the journal', () => {
  test('is one JSON object a line, each with time, boot, run and checksum', ({ stateDir }) => {
    const { journal } = stateDir.open();
    journal.append(input('CleanupRequested', { leaving: true }, ['InstanceMaintenanceModeEvent']));
    journal.append(receipt('InstanceMaintenanceModeEvent'));

    const records = stateDir.lines().map((line) => JSON.parse(line));
    expect(records.map(({ kind }) => kind)).toEqual(['opened', 'input', 'receipt']);
    expect(records.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(records[0]).toMatchObject({ schema: 1, memberId, runId: expect.stringMatching(/.{8}/) });
    expect(records[1]).toMatchObject({ state: 'pendingTermination', decided: ['InstanceMaintenanceModeEvent'] });
    expect(records[1].facts).toMatchObject({ leaving: true, activated: false });
    expect(records[2]).toMatchObject({ event: 'InstanceMaintenanceModeEvent', for: 2 });
    for (const line of stateDir.lines()) {
      const [, record, checksum] = /^(.*),"crc32":(\d+)\}$/.exec(line) ?? [];
      expect(crc32(`${record}}`)).toBe(Number(checksum));
      expect(JSON.parse(line)).toMatchObject({ at: expect.stringMatching(/Z$/), bootId: expect.any(String) });
    }
  });

  test('measures time since boot, not since the start of the process', ({ stateDir }) => {
    stateDir.open();

    const uptimeMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
    const [line = ''] = stateDir.lines();
    expect(Math.abs(JSON.parse(line).sinceBootMs - uptimeMs)).toBeLessThan(5_000);
  });

  test('is for its own user alone', ({ stateDir }) => {
    stateDir.open();

    expect(statSync(stateDir.journalPath).mode & 0o777).toBe(0o600);
    expect(statSync(stateDir.path).mode & 0o777).toBe(0o700);
  });

  test('names an input that is too long, or no JSON, instead of telling it', ({ stateDir }) => {
    const { journal } = stateDir.open();
    const circular: { type: string; self?: unknown } = { type: 'Circular' };
    circular.self = circular;

    for (const strange of [{ type: 'Long', text: 'x'.repeat(100_000) }, circular, 10n, undefined])
      journal.append({ kind: 'input', input: strange, state: 'active', decided: [], facts: noFacts });

    const inputs = stateDir.lines().map((line) => JSON.parse(line).input);
    expect(inputs.slice(1)).toEqual(
      ['Long', 'Circular', 'bigint', 'undefined'].map((type) => ({ type, leftOut: true })),
    );
    expect(journal.failed).toBe(false);
  });
});

describe('recovery', () => {
  test('knows nothing without a journal', ({ stateDir }) => {
    const { recovery } = stateDir.open();

    const nothing = {
      facts: null,
      state: null,
      undelivered: [],
      leavingForMs: null,
      startedAgoMs: null,
      stateForMs: null,
    };
    expect(recovery).toEqual({ ...nothing, lastWrittenAgoMs: null, artifacts: [], problems: [] });
  });

  test('tells the last facts, the state, and what was decided but not delivered', ({ stateDir }) => {
    const { journal } = stateDir.open();
    journal.append(input('a', { started: true, passedGates: ['instanceStarting'] }, ['InstanceStartedEvent']));
    journal.append(receipt('InstanceStartedEvent'));
    journal.append(input('b', { started: true, activated: true }, ['InstanceActivatedEvent']));
    journal.append(input('c', { started: true, activated: true, leaving: true }, ['InstanceMaintenanceModeEvent']));
    journal.close();

    const { recovery } = stateDir.open();

    expect(recovery.facts).toEqual({ ...noFacts, started: true, activated: true, leaving: true });
    expect(recovery.state).toBe('pendingTermination');
    expect(recovery.undelivered).toEqual(['InstanceActivatedEvent', 'InstanceMaintenanceModeEvent']);
    expect(recovery.problems).toEqual([]);
    for (const value of [recovery.leavingForMs, recovery.startedAgoMs, recovery.lastWrittenAgoMs]) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThan(10_000);
    }
  });

  test('takes a receipt for the oldest decision of an event that was decided twice', ({ stateDir }) => {
    const { journal } = stateDir.open();
    for (const type of ['a', 'b']) journal.append(input(type, { started: true }, ['InstanceStartedEvent']));
    journal.append(receipt('InstanceStartedEvent'));
    journal.close();

    expect(stateDir.open().recovery.undelivered).toEqual(['InstanceStartedEvent']);
    expect(JSON.parse(stateDir.lines()[3] ?? '')).toMatchObject({ kind: 'receipt', for: 2 });
  });

  test('takes receipts for events that a former run has decided', ({ stateDir }) => {
    stateDir.open().journal.append(input('a', { started: true }, ['InstanceStartedEvent']));

    stateDir.open().journal.append(receipt('InstanceStartedEvent'));

    expect(stateDir.open().recovery.undelivered).toEqual([]);
  });

  test('goes on counting where the last run ended', ({ stateDir }) => {
    for (const type of ['a', 'b', 'c']) stateDir.open().journal.append(input(type));

    expect(stateDir.lines().map((line) => JSON.parse(line).sequence)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe("another member's journal", () => {
  test('is set aside, and nothing of it is known', ({ stateDir }) => {
    const theirs = stateDir.open({ memberId: 'php-2.php.domain' }).journal;
    theirs.append(input('a', { started: true, activated: true }, ['InstanceActivatedEvent']));
    theirs.close();
    const before = readFileSync(stateDir.journalPath, 'utf8');

    const { recovery, journal } = stateDir.open();

    expect(recovery).toMatchObject({ facts: null, state: null, undelivered: [] });
    expect(recovery.problems.map(({ code }) => code)).toEqual(['JOURNAL_FOREIGN']);
    const [name = ''] = readdirSync(join(stateDir.path, 'set-aside'));
    expect(name).toMatch(/^journal-[0-9a-f]{12}-2/);
    expect(readFileSync(join(stateDir.path, 'set-aside', name), 'utf8')).toBe(before);
    journal.append(input('b', { started: true }));
    expect(stateDir.open().recovery).toMatchObject({ facts: { started: true }, problems: [] });
  });

  test('is recognised by its checkpoint too', async ({ stateDir }) => {
    stateDir.open();
    await stateDir.write([
      { sequence: 1, kind: 'checkpoint', memberId: 'php-2.php.domain', facts: { activated: true } },
    ]);

    const { recovery } = stateDir.open();

    expect(recovery.facts).toBe(null);
    expect(recovery.problems.map(({ code }) => code)).toEqual(['JOURNAL_FOREIGN']);
  });

  test('is kept ten times at most', ({ stateDir }) => {
    for (let member = 0; member < 14; member += 1) stateDir.open({ memberId: `member-${member}` }).journal.close();

    expect(readdirSync(join(stateDir.path, 'set-aside'))).toHaveLength(10);
  });
});

describe('other versions', () => {
  test('a journal of version 0.1.0 tells decisions, receipts and finished hooks', async ({ stateDir }) => {
    stateDir.open();
    const at = new Date(Date.now() - 60_000).toISOString();
    const { bootId } = JSON.parse(stateDir.lines()[0] ?? '');
    const common = { at, monotonicMs: 800, bootId, run: 1, kind: 'input' };
    const done = (gate: string) => ({ type: `xstate.done.actor.${gate}`, output: { kind: 'passed' }, actorId: gate });
    await stateDir.write([
      { sequence: 1, ...common, input: { type: 'xstate.init' }, state: 'created', decided: [] },
      {
        sequence: 2,
        ...common,
        input: { type: 'MemberTold', status: 'Initialized' },
        state: 'initialized',
        decided: [],
      },
      { sequence: 3, ...common, input: done('instanceStarting'), state: 'started', decided: ['InstanceStartedEvent'] },
      { sequence: 4, ...common, kind: 'receipt', event: 'InstanceStartedEvent' },
      // A second run of that version counted from 1 again.
      { sequence: 1, ...common, input: { type: 'xstate.init' }, state: 'created', decided: [] },
      { sequence: 2, ...common, input: done('startServers'), state: 'started', decided: [] },
      {
        sequence: 3,
        ...common,
        input: done('instanceActivating'),
        state: 'active',
        decided: ['InstanceActivatedEvent'],
      },
    ]);

    const { recovery } = stateDir.open();

    expect(recovery.facts).toEqual({
      ...noFacts,
      started: true,
      activated: true,
      startedAnything: true,
      passedGates: ['instanceStarting', 'startServers', 'instanceActivating'],
    });
    expect(recovery).toMatchObject({ state: 'active', undelivered: ['InstanceActivatedEvent'], problems: [] });
    expect(recovery.startedAgoMs).toBeGreaterThanOrEqual(60_000);
    expect(recovery.startedAgoMs).toBeLessThan(120_000);
  });

  test('a newer journal tells what this version understands', async ({ stateDir }) => {
    stateDir.open();
    await stateDir.write([
      { sequence: 1, kind: 'opened', schema: 7, memberId, colour: 'blue' },
      { sequence: 2, kind: 'weather', rain: true },
      {
        sequence: 3,
        kind: 'input',
        decided: ['InstanceParkedEvent', 'InstanceActivatedEvent'],
        state: 'parked',
        facts: { activated: true, parked: true, passedGates: 'all' },
      },
    ]);

    const { recovery } = stateDir.open();

    expect(recovery.facts).toEqual({ ...noFacts, activated: true });
    expect(recovery).toMatchObject({ state: 'parked', undelivered: ['InstanceActivatedEvent'], problems: [] });
  });
});

describe('since when the instance is in its state', () => {
  const aged = (minutes: number) => ({ at: new Date(Date.now() - minutes * 60_000).toISOString() });
  const said = (sequence: number, state: string, minutes: number) => {
    return { sequence, kind: 'input', input: { type: 'MemberTold' }, state, facts: noFacts, ...aged(minutes) };
  };

  test('is told by its first line, across a restart and a compaction', async ({ stateDir }) => {
    const opened = { kind: 'opened', memberId };
    const long = { ...said(5, 'started', 10), input: { type: 'MemberTold', much: 'x'.repeat(100_000) } };
    stateDir.open();
    await stateDir.write([
      said(2, 'created', 40),
      said(3, 'started', 30),
      { sequence: 4, ...opened, ...aged(20) },
      long,
    ]);

    const { recovery } = stateDir.open();
    const compacted = stateDir.open();

    expect(stateDir.lines().join('')).toContain('checkpoint');
    for (const { stateForMs } of [recovery, compacted.recovery, readJournal(stateDir.path).recovery])
      expect(Math.round((stateForMs ?? 0) / 60_000)).toBe(30);
  });

  test('is not known once a line is damaged', async ({ stateDir }) => {
    stateDir.open();
    await stateDir.write([said(1, 'created', 40), said(2, 'started', 30), said(3, 'started', 20)]);
    writeFileSync(
      stateDir.journalPath,
      readFileSync(stateDir.journalPath, 'utf8').replace('"sequence":2', '"sequence":8'),
    );

    expect(readJournal(stateDir.path).recovery).toMatchObject({ state: 'started', stateForMs: null });
  });
});

describe('reading without an agent', () => {
  test('tells the last lines and their age, and changes nothing', async ({ stateDir }) => {
    const { journal } = stateDir.open();
    for (let count = 0; count < 50; count += 1) journal.append(input(`${count}`));
    journal.close();
    await stateDir.write([
      ...stateDir.lines().map((line) => withoutChecksum(line)),
      { sequence: 99, kind: 'input', at: 'x' },
    ]);
    const before = readFileSync(stateDir.journalPath, 'utf8');

    const told = readJournal(stateDir.path);

    expect(told.memberId).toBe(memberId);
    expect(told.lastLines).toHaveLength(52);
    expect(told.lastLines.at(-2)).toMatchObject({ kind: 'input', input: { type: '49' }, at: expect.any(String) });
    expect(told.ageMs).toBeGreaterThanOrEqual(0);
    expect(readFileSync(stateDir.journalPath, 'utf8')).toBe(before);
  });

  test('tells of nothing where there is nothing, and makes nothing', ({ stateDir }) => {
    const told = readJournal(stateDir.path);

    expect(told).toMatchObject({ memberId: null, lastLines: [], ageMs: null, recovery: { facts: null, problems: [] } });
    expect(existsSync(stateDir.path)).toBe(false);
  });
});

function withoutChecksum(line: string): Record<string, unknown> {
  const { crc32: checksum, ...record } = JSON.parse(line);
  expect(sealed(record)).toContain(`"crc32":${checksum}}`);
  return record;
}
