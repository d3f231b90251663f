import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect } from 'vitest';
import { readJournal } from '../../agent/journal/journal.ts';
import { type StateDir, journalTest as test } from '../support/journal.ts';
import { input, receipt } from '../support/journal-entries.ts';

const started = { started: true, passedGates: ['instanceStarting'] };
const activated = { ...started, activated: true };

/** A life until its end: seven lines. */
const life = [
  input('a', started, ['InstanceStartedEvent']),
  receipt('InstanceStartedEvent'),
  input('b', activated, ['InstanceActivatedEvent']),
  receipt('InstanceActivatedEvent'),
  input('c', { ...activated, leaving: true }, ['InstanceMaintenanceModeEvent']),
  input('d', { ...activated, leaving: true, passedGates: ['instanceStarting', 'clean'] }),
];

let whole: Buffer;
let ends: number[];

beforeEach<{ stateDir: StateDir }>(({ stateDir }) => {
  const { journal } = stateDir.open();
  for (const entry of life) journal.append(entry);
  journal.close();
  whole = readFileSync(stateDir.journalPath);
  ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([at]) => at + 1);
});

describe('a torn tail', () => {
  test('is cut at whatever byte of the last line it was torn', ({ stateDir }) => {
    const [from = 0, to = 0] = ends.slice(-2);

    for (let size = from; size < to - 1; size += 1) {
      writeFileSync(stateDir.journalPath, whole.subarray(0, size));
      const told = readJournal(stateDir.path);
      expect(told.lastLines, `cut to ${size} bytes`).toHaveLength(6);
      expect(told.recovery.facts?.passedGates).toEqual(['instanceStarting']);
      expect(told.recovery.problems.map(({ code }) => code)).toEqual(size === from ? [] : ['JOURNAL_TORN']);
    }
  });

  test.for([1, 2, 40, 300])('of %i bytes is gone once the next run has begun', (bytes, { stateDir }) => {
    const [from = 0] = ends.slice(-2);
    writeFileSync(stateDir.journalPath, whole.subarray(0, from + bytes));

    const { recovery, journal } = stateDir.open();

    expect(recovery.problems.map(({ code }) => code)).toEqual(['JOURNAL_TORN']);
    const kept = readFileSync(stateDir.journalPath);
    expect(kept.subarray(0, from).equals(whole.subarray(0, from))).toBe(true);
    journal.append(input('e', { ...activated, leaving: true, departed: true }));
    expect(stateDir.open().recovery).toMatchObject({ facts: { departed: true }, problems: [] });
    for (const line of stateDir.lines()) expect(JSON.parse(line)).toHaveProperty('kind');
  });

  test('counts when nothing but its line feed is missing', ({ stateDir }) => {
    truncateSync(stateDir.journalPath, whole.length - 1);

    const { recovery, journal } = stateDir.open();
    journal.append(receipt('InstanceMaintenanceModeEvent'));

    expect(recovery.facts?.passedGates).toContain('clean');
    expect(stateDir.open().recovery).toMatchObject({ undelivered: [], problems: [] });
  });

  test('of zeros, as file systems leave it after a power cut, is cut', ({ stateDir }) => {
    writeFileSync(stateDir.journalPath, Buffer.concat([whole, Buffer.alloc(3_000_000)]));

    const { recovery } = stateDir.open();

    expect(recovery.facts?.passedGates).toContain('clean');
    expect(recovery.problems.map(({ code }) => code)).toEqual(['JOURNAL_TORN']);
    expect(readFileSync(stateDir.journalPath).includes(0)).toBe(false);
  });

  test('is all there is: then nothing is known', ({ stateDir }) => {
    writeFileSync(stateDir.journalPath, whole.subarray(0, 30));

    expect(stateDir.open().recovery.facts).toBe(null);
    expect(stateDir.open().recovery.problems).toEqual([]);
  });
});

describe('a flipped byte', () => {
  test.for([0x01, 0x80])('costs its own line at most, wherever it is (xor %i)', (mask, { stateDir }) => {
    const sequences = ends.map((_, index) => index + 1);

    for (const [at, byte] of whole.entries()) {
      const spoilt = Buffer.from(whole);
      spoilt[at] = byte ^ mask;
      writeFileSync(stateDir.journalPath, spoilt);
      const own = ends.findIndex((end) => at < end) + 1;
      const { lastLines, recovery } = readJournal(stateDir.path);

      const missing = sequences.filter((sequence) => !lastLines.some((line) => line.sequence === sequence));
      expect([[], [own]], `byte ${at} in line ${own}`).toContainEqual(missing);
      expect(recovery.problems).toHaveLength(1);
      // Without its receipt an event is delivered again; one that was followed by a receipt is not.
      const again = own === 5 && missing.length > 0 ? ['InstanceActivatedEvent'] : [];
      expect(recovery.undelivered, `byte ${at}`).toEqual([...again, 'InstanceMaintenanceModeEvent']);
      expect(recovery.facts).toMatchObject({ started: true, activated: true, leaving: true });
    }
  });

  test.for([1, 2, 3, 4, 5, 6, 7])(
    'in line %i is quarantined, told once, and the rest goes on',
    (line, { stateDir }) => {
      const spoilt = Buffer.from(whole);
      const at = (ends[line - 1] ?? 0) - 60;
      spoilt[at] = (spoilt[at] ?? 0) ^ 4;
      writeFileSync(stateDir.journalPath, spoilt);

      const { recovery } = stateDir.open();

      expect(recovery.problems.map(({ code }) => code)).toEqual(['JOURNAL_DAMAGED']);
      const [name = ''] = readdirSync(join(stateDir.path, 'quarantine'));
      const kept = readFileSync(join(stateDir.path, 'quarantine', name));
      expect(kept.equals(spoilt.subarray(ends[line - 2] ?? 0, ends[line - 1]))).toBe(true);
      const again = stateDir.open().recovery;
      const timeless = { leavingForMs: 0, startedAgoMs: 0, stateForMs: 0, lastWrittenAgoMs: 0, problems: [] };
      expect({ ...again, ...timeless }).toEqual({ ...recovery, ...timeless });
      expect(again.problems).toEqual([]);
    },
  );
});

describe('a damaged decision', () => {
  const cases = [
    { summary: 'is known from the facts after it', spoilt: [3], gone: [4], again: ['InstanceActivatedEvent'] },
    { summary: 'is known to be delivered from its receipt', spoilt: [3], gone: [], again: [] },
    {
      summary: 'to start is not repeated once activated',
      spoilt: [1],
      gone: [2, 4],
      again: ['InstanceActivatedEvent'],
    },
    {
      summary: 'is sent again when its receipt is damaged too',
      spoilt: [3, 4],
      gone: [],
      again: ['InstanceActivatedEvent'],
    },
  ];

  test.for(cases)('$summary', ({ spoilt, gone, again }, { stateDir }) => {
    const lines = whole.toString().split('\n');
    const left = lines
      .map((line, at) => (spoilt.includes(at) ? 'rubbish' : line))
      .filter((_, at) => !gone.includes(at));
    writeFileSync(stateDir.journalPath, left.join('\n'));

    const { recovery } = stateDir.open();

    expect(recovery.undelivered).toEqual([...again, 'InstanceMaintenanceModeEvent']);
    expect(recovery.facts).toMatchObject({ started: true, activated: true, leaving: true });
  });
});

describe('rubbish', () => {
  test('is quarantined ten times at most', ({ stateDir }) => {
    for (let time = 0; time < 14; time += 1) {
      writeFileSync(stateDir.journalPath, 'rubbish\n', { flag: 'a' });
      stateDir.open().journal.close();
    }

    expect(readdirSync(join(stateDir.path, 'quarantine'))).toHaveLength(10);
    expect(stateDir.open().recovery.facts).toMatchObject({ leaving: true });
  });

  test('of any size is one damaged line', ({ stateDir }) => {
    writeFileSync(stateDir.journalPath, Buffer.concat([whole, Buffer.alloc(5_000_000, 'x'), Buffer.from('\n'), whole]));

    const { recovery } = stateDir.open();

    expect(recovery.problems).toHaveLength(1);
    expect(recovery.facts).toMatchObject({ leaving: true });
    expect(readFileSync(stateDir.journalPath).length).toBeLessThan(65_536);
  });

  test.for(['a folder', 'a pipe'])('instead of a journal, %s, is set aside', (what, { stateDir }) => {
    rmSync(stateDir.journalPath);
    if (what === 'a pipe') execFileSync('mkfifo', [stateDir.journalPath]);
    else mkdirSync(stateDir.journalPath);

    const { recovery, journal } = stateDir.open();

    expect(recovery.problems.map(({ code }) => code)).toEqual(['JOURNAL_UNREADABLE']);
    expect(readdirSync(join(stateDir.path, 'set-aside'))).toEqual([expect.stringMatching(/^journal-unreadable-/)]);
    expect(journal.failed).toBe(false);
    expect(statSync(stateDir.journalPath).isFile()).toBe(true);
  });
});
