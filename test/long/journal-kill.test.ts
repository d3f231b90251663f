import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, expect } from 'vitest';
import { createFaults, noFaults } from '../../agent/faults.ts';
import { readJournal } from '../../agent/journal/journal.ts';
import { type StateDir, journalTest as test } from '../support/journal.ts';

const program = new URL('../support/journal-writer.ts', import.meta.url).pathname;

/** What a writer has said until its end, and the signal that ended it. */
type Ended = { readonly said: readonly string[]; readonly signal: string | null };

describe('a journal whose process is killed', () => {
  test('-9, at any moment, has every line that was on disk, and is whole', { timeout: 60_000 }, async ({
    stateDir,
  }) => {
    let sofar = 0;
    for (let life = 0; life < 8; life += 1) {
      const writer = start(stateDir, { count: 100_000 });
      const killAfter = sofar + 3 + life * 7;
      const { said } = await ended(writer, (line) => Number(line) >= killAfter && writer.kill('SIGKILL'));

      const told = checkNothingLost(stateDir, said);
      expect(told.recovery.problems.map(({ code }) => code).filter((code) => code !== 'JOURNAL_TORN')).toEqual([]);
      sofar = told.recovery.facts?.attempts['count'] ?? 0;
      expect(sofar).toBeGreaterThanOrEqual(killAfter);
    }
  });

  test('at each of its own points, in turn, is whole', { timeout: 120_000 }, async ({ stateDir }) => {
    const counted = `${stateDir.path}-points`;
    await ended(start(stateDir, { count: 5, fault: `count:${counted}` }));
    const points = readFileSync(counted, 'utf8').trim().split('\n');
    expect(points).toEqual(Array.from({ length: 7 }, () => ['journal.write', 'journal.written']).flat());

    for (const action of ['kill', 'torn'])
      for (const [index, point] of points.entries()) {
        const { said, signal } = await ended(start(stateDir, { count: 6, fault: `all:${index + 1}:${action}` }));

        expect(signal).toBe('SIGKILL');
        const { recovery } = checkNothingLost(stateDir, said);
        const isTorn = action === 'torn' && point === 'journal.write';
        expect(recovery.problems.map(({ code }) => code)).toEqual(isTorn ? ['JOURNAL_TORN'] : []);
      }
    expect(existsSync(`${stateDir.journalPath}.new`)).toBe(false);
  });

  test('while it is compacted is the old one or the new one', async ({ stateDir }) => {
    await ended(start(stateDir, { count: 3 }));
    for (const fault of [
      'journal.write:1:torn',
      'journal.write:1:kill',
      'journal.rename:1:kill',
      'journal.written:1:kill',
    ]) {
      // Without its last line feed the file has to be written anew.
      const before = readFileSync(stateDir.journalPath);
      truncateSync(stateDir.journalPath, before.length - 1);
      const expected = readJournal(stateDir.path).recovery.facts;

      const { signal, said } = await ended(start(stateDir, { count: 3, fault }));

      expect({ signal, said }).toEqual({ signal: 'SIGKILL', said: [] });
      expect(readJournal(stateDir.path).recovery).toMatchObject({ facts: expected, problems: [] });
    }
    await ended(start(stateDir, { count: 3 }));
    expect(existsSync(`${stateDir.journalPath}.new`)).toBe(false);
  });

  test('while it is compacted for its size, in between other lines, loses none', { timeout: 60_000 }, async ({
    stateDir,
  }) => {
    // So long that it is the line of a decision that makes the file too long.
    const size = { count: 75, length: 14_577 };
    const counted = `${stateDir.path}-points`;
    await ended(start(stateDir, { ...size, fault: `count:${counted}` }));
    const points = readFileSync(counted, 'utf8').trim().split('\n');
    const at = points.indexOf('journal.rename');
    const around = points.slice(at - 3, at + 4);
    const [append, compact] = [['journal.write'], ['journal.write', 'journal.rename']];
    expect(around).toEqual([append, compact, append].flatMap((it) => [...it, 'journal.written']));
    expect(checkpointIn(stateDir)).toMatchObject({ undelivered: [{ event: 'InstanceActivatedEvent' }] });

    const attacks = around.flatMap((point, index) => {
      const nth = at - 3 + index + 1;
      return point === 'journal.write' ? [`all:${nth}:kill`, `all:${nth}:torn`] : [`all:${nth}:kill`];
    });
    for (const fault of attacks) {
      rmSync(stateDir.path, { recursive: true });
      const { said, signal } = await ended(start(stateDir, { ...size, fault }));

      expect(signal, fault).toBe('SIGKILL');
      const { recovery } = checkNothingLost(stateDir, said);
      const { facts, undelivered } = stateDir.open().recovery;
      expect({ facts, undelivered }, fault).toEqual({ facts: recovery.facts, undelivered: recovery.undelivered });
      expect(readdirSync(stateDir.path), fault).toEqual(['journal']);
    }
  });

  test('that cannot be compacted grows on, and loses nothing', async ({ stateDir }) => {
    const { said } = await ended(start(stateDir, { count: 75, length: 15_000, fault: 'journal.rename:1:enospc' }));

    expect(said).not.toContain('failed');
    expect(said.at(-1)).toBe('done');
    checkNothingLost(stateDir, said);
    expect(statSync(stateDir.journalPath).size).toBeGreaterThan(1_048_576);
    expect(readdirSync(stateDir.path)).toEqual(['journal']);
  });

  test('on a full disk loses what came after, and only that', async ({ stateDir }) => {
    const writer = await ended(start(stateDir, { count: 12, fault: 'journal.write:6:enospc' }));

    // The first line begins the run, the sixth would have been the fifth number.
    expect(writer.said.slice(0, 6)).toEqual(['1', '2', '3', '4', 'failed', '5']);
    expect(writer.said.at(-1)).toBe('done');
    expect(readJournal(stateDir.path).recovery).toMatchObject({ facts: { attempts: { count: 4 } }, problems: [] });
  });
});

describe('faults', () => {
  test('are none unless they are asked for', () => {
    expect(createFaults({})).toBe(noFaults);
    expect(createFaults({ CARTRIDGE_AGENT_FAULT: '' })).toBe(noFaults);
  });

  test.for(['journal.write', 'journal.write:0:kill', 'journal.write:1:explode', ':1:kill', 'x:1:kill:2'])(
    'are refused when they are not understood: %s',
    (order) => {
      expect(() => createFaults({ CARTRIDGE_AGENT_FAULT: order })).toThrow(order);
    },
  );

  test('make the disk full for the journal alone, and for good', () => {
    const faults = createFaults({ CARTRIDGE_AGENT_FAULT: 'all:3:enospc' });

    expect(faults('journal.write')).toBe(undefined);
    expect(faults('publish')).toBe(undefined);
    expect(() => faults('journal.rename')).toThrow('ENOSPC');
    expect(faults('spawn')).toBe(undefined);
    expect(() => faults('journal.write')).toThrow('ENOSPC');
  });
});

function start(stateDir: StateDir, options: { count: number; length?: number; fault?: string }): ChildProcess {
  const env = { ...process.env, CARTRIDGE_AGENT_FAULT: options.fault ?? '' };
  const args = [program, stateDir.path, String(options.count), String(options.length ?? 0)];
  return spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function ended(writer: ChildProcess, onLine: (line: string) => void = () => {}): Promise<Ended> {
  const said: string[] = [];
  if (writer.stdout === null) throw new Error('the writer has no output');
  const lines = createInterface({ input: writer.stdout });
  lines.on('line', (line) => {
    said.push(line);
    onLine(line);
  });
  const [[, signal]] = await Promise.all([once(writer, 'exit'), once(lines, 'close')]);
  return { said, signal };
}

/** What was said to be on disk is there; one line more may be. */
function checkNothingLost(stateDir: StateDir, said: readonly string[]) {
  const told = readJournal(stateDir.path);
  const numbers = said.map(Number).filter((number) => !Number.isNaN(number));
  const last = numbers.at(-1);
  const found = told.recovery.facts?.attempts['count'] ?? 0;
  if (last !== undefined) expect([last, last + 1]).toContain(found);
  const decidesLast = found > 0 && found % 5 === 0;
  const isReceived = !decidesLast || said.includes(`receipt ${found}`);
  if (last !== undefined && isReceived) expect(told.recovery.undelivered).toEqual([]);
  // The receipt comes after the number is said, so there is none yet.
  if (last !== undefined && decidesLast && last < found)
    expect(told.recovery.undelivered).toEqual(['InstanceActivatedEvent']);
  return told;
}

/** The last one. */
function checkpointIn(stateDir: StateDir): Record<string, unknown> {
  const lines = stateDir.lines().map((line) => JSON.parse(line));
  return lines.findLast(({ kind }) => kind === 'checkpoint') ?? {};
}
