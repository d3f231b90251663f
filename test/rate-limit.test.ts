import { expect, test } from 'vitest';
import { createRateLimit } from '../agent/rate-limit.ts';

test('five lines of a kind are let through at once, then one every ten seconds with how many were left out', () => {
  const clock = { nowMs: 0 };
  const mayLog = createRateLimit(() => clock.nowMs);

  const atOnce = Array.from({ length: 8 }, () => mayLog('kind'));
  clock.nowMs = 9_999;
  const soon = mayLog('kind');
  clock.nowMs = 10_000;
  const later = [mayLog('kind'), mayLog('kind')];
  clock.nowMs = 20_000;
  const muchLater = mayLog('kind');

  expect(atOnce).toEqual([{}, {}, {}, {}, {}, null, null, null]);
  expect(soon).toBe(null);
  expect(later).toEqual([{ suppressed: 4 }, null]);
  expect(muchLater).toEqual({ suppressed: 1 });
});

test('after a quiet time five are let through again, however long it was', () => {
  const clock = { nowMs: 0 };
  const mayLog = createRateLimit(() => clock.nowMs);

  for (let line = 0; line < 6; line += 1) mayLog('kind');
  clock.nowMs = 3_600_000;

  expect(Array.from({ length: 6 }, () => mayLog('kind'))).toEqual([{ suppressed: 1 }, {}, {}, {}, {}, null]);
});

test('one kind does not silence another', () => {
  const mayLog = createRateLimit(() => 0);

  for (let line = 0; line < 100; line += 1) mayLog('loud');

  expect(mayLog('rare')).toEqual({});
});
