import { describe, expect } from 'vitest';
import { createClock, elapsedMs } from '../agent/journal/clock.ts';
import { noFacts } from '../state/lifecycle/facts.ts';
import { type StateDir, journalTest as test } from './support/journal.ts';
import { input } from './support/journal-entries.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const thisBoot = createClock()();
const nowMs = Date.now();

/** Leaving began so long before the last line, both by a clock and in a boot of our choice. */
type Past = {
  readonly leavingForMs: number;
  readonly beforeNowMs: number;
  readonly otherBoot: boolean;
  readonly clockOffMs: number;
};

const pasts: readonly { summary: string; past: Past; expectedMs: number }[] = [
  {
    summary: 'is that of the lines and the time since, within one boot',
    past: { leavingForMs: 2 * minuteMs, beforeNowMs: 3 * minuteMs, otherBoot: false, clockOffMs: 0 },
    expectedMs: 5 * minuteMs,
  },
  {
    summary: 'is not changed by a clock that was set back a day since',
    past: { leavingForMs: 2 * minuteMs, beforeNowMs: 3 * minuteMs, otherBoot: false, clockOffMs: dayMs },
    expectedMs: 5 * minuteMs,
  },
  {
    summary: 'is not changed by a clock that was set forth a day since',
    past: { leavingForMs: 2 * minuteMs, beforeNowMs: 3 * minuteMs, otherBoot: false, clockOffMs: -dayMs },
    expectedMs: 5 * minuteMs,
  },
  {
    summary: 'across a boot keeps what had passed before it, and adds the time by the wall clock',
    past: { leavingForMs: 2 * minuteMs, beforeNowMs: dayMs, otherBoot: true, clockOffMs: 0 },
    expectedMs: 2 * minuteMs + dayMs,
  },
  {
    summary: 'across a boot with a clock set back has at least what has passed before it and since it',
    past: { leavingForMs: 2 * minuteMs, beforeNowMs: minuteMs, otherBoot: true, clockOffMs: dayMs },
    expectedMs: 2 * minuteMs + (thisBoot.sinceBootMs ?? 0),
  },
];

describe('the time since leaving began', () => {
  test.for(pasts)('$summary', async ({ past, expectedMs }, { stateDir }) => {
    await writePast(stateDir, past);

    const { recovery } = stateDir.open();

    expect(recovery.leavingForMs).toBeGreaterThanOrEqual(expectedMs);
    expect(recovery.leavingForMs).toBeLessThan(expectedMs + minuteMs);
    // That of the start began in the same lines.
    expect(recovery.startedAgoMs).toBe(recovery.leavingForMs);
  });

  test('goes on over a compaction', async ({ stateDir }) => {
    await writePast(stateDir, { leavingForMs: minuteMs, beforeNowMs: minuteMs, otherBoot: false, clockOffMs: 0 });
    const filler = Array.from({ length: 300 }, () => stateDir.lines()[1] ?? '');
    await stateDir.write([...stateDir.lines().slice(0, 1), ...filler, ...stateDir.lines().slice(1)].map(unsealed));
    const { recovery } = stateDir.open();
    expect(stateDir.lines().at(-2)).toContain('"checkpoint"');
    const again = stateDir.open().recovery;

    expect(recovery.leavingForMs).toBeGreaterThanOrEqual(2 * minuteMs);
    expect(again.leavingForMs).toBeGreaterThanOrEqual(recovery.leavingForMs ?? 0);
    expect(again.leavingForMs).toBeLessThan(3 * minuteMs);
  });
});

describe('elapsed time', () => {
  const stamp = { at: new Date(nowMs).toISOString(), sinceBootMs: 1_000, bootId: 'a' };
  const earlier = new Date(nowMs - dayMs).toISOString();

  test.for([
    { summary: 'never runs backwards', to: { ...stamp, at: earlier, bootId: null }, expected: 0 },
    { summary: 'ignores a time that cannot be read', to: { ...stamp, at: 'noon', bootId: null }, expected: 0 },
    {
      summary: 'ignores the wall clock within a boot',
      to: { ...stamp, at: earlier, sinceBootMs: 1_500 },
      expected: 500,
    },
    { summary: 'counts the new boot at least', to: { at: earlier, sinceBootMs: 700, bootId: 'b' }, expected: 700 },
  ])('$summary', ({ to, expected }) => {
    expect(elapsedMs(stamp, to)).toBe(expected);
  });
});

async function writePast(stateDir: StateDir, past: Past): Promise<void> {
  stateDir.open();
  const stampAt = (agoMs: number) => ({
    at: new Date(nowMs - agoMs + past.clockOffMs).toISOString(),
    sinceBootMs: (thisBoot.sinceBootMs ?? 0) - agoMs + (past.otherBoot ? dayMs : 0),
    bootId: past.otherBoot ? 'of-another-boot' : thisBoot.bootId,
  });
  const facts = { ...noFacts, started: true, leaving: true };
  await stateDir.write([
    { sequence: 1, ...stampAt(past.beforeNowMs + past.leavingForMs), ...input('a', facts, ['InstanceStartedEvent']) },
    { sequence: 2, ...stampAt(past.beforeNowMs), ...input('b', facts) },
  ]);
}

function unsealed(line: string): Record<string, unknown> {
  const { crc32: _, ...record } = JSON.parse(line);
  return record;
}
