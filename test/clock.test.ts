import { test } from 'vitest';
import { createClockWatch } from '../agent/clock.ts';
import { createLog } from '../agent/log.ts';
import type { Note } from '../state/lifecycle/condition.ts';
import { expect } from './support/current-test.ts';

const log = createLog({ level: 'silent', pretty: false, colour: false });

test('a clock that is half a minute behind is told, until it has been set', () => {
  const { clock, told, time } = watch();
  clock.isAtLeast(1_029_000, 'the cloud controller');
  expect(told).toEqual([]);

  clock.isAtLeast(1_045_000, 'the cloud controller');
  clock.isAtLeast(1_046_000, 'the cloud controller');

  expect(told).toEqual([{ condition: 'degraded', text: expect.stringContaining('45 s behind the cloud controller') }]);
  time.monotonicMs += 60_000;
  time.wallMs += 60_000 + 45_000;
  clock.look();
  expect(told.slice(1)).toEqual([null]);
});

test('what is older than now says nothing, and a source may correct itself', () => {
  const { clock, told } = watch();

  clock.isAtLeast(3, 'the certificate of cep:7711');
  clock.isAtLeast(1_100_000, 'the cloud controller');
  clock.isAtLeast(999_000, 'the cloud controller');

  expect(told).toEqual([expect.objectContaining({ condition: 'degraded' }), null]);
});

test('a clock that is ahead is told, where somebody says what time it is', () => {
  const { clock, told, time } = watch();
  clock.is(1_000_000 - 25_000, 'the metadata service');
  expect(told).toEqual([]);

  clock.is(1_000_000 - 3_600_000, 'the metadata service');

  expect(told).toEqual([
    { condition: 'degraded', text: expect.stringContaining('3600 s ahead of the metadata service') },
  ]);
  time.wallMs -= 3_600_000;
  clock.look();
  expect(told.slice(1)).toEqual([null]);
});

test('a clock that jumps from one side to the other is told anew', () => {
  const { clock, told, time } = watch();
  clock.is(1_000_000 - 60_000, 'the metadata service');

  time.wallMs -= 120_000;
  clock.look();

  expect(told.map((note) => note?.text)).toEqual([
    expect.stringContaining('60 s ahead of'),
    expect.stringContaining('60 s behind'),
  ]);
});

function watch() {
  const told: (Note | null)[] = [];
  const time = { wallMs: 1_000_000, monotonicMs: 500 };
  const clock = createClockWatch({
    tell: (note) => void told.push(note),
    log,
    nowMs: () => time.wallMs,
    monotonicMs: () => time.monotonicMs,
  });
  return { clock, told, time };
}
