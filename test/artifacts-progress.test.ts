import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createProgress } from '../agent/artifacts/git/progress.ts';
import { recordedLog } from './support/link.ts';

const figure = (percent: number) => ({ stage: 'receiving objects', percent, processed: percent, total: 100 });

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('people see a figure a second, and the log one in ten seconds and the last', () => {
  const { told, lines, progress } = listen();

  for (let percent = 0; percent < 50; percent += 1) {
    progress('1', figure(percent));
    vi.advanceTimersByTime(500);
  }
  progress('1', null);

  expect(told.length).toBe(26);
  expect(told.slice(0, 2)).toEqual(['git: receiving objects 0 % (0 of 100)', 'git: receiving objects 2 % (2 of 100)']);
  expect(told.at(-1)).toBeNull();
  expect(lines().map(({ percent }) => percent)).toEqual([20, 40, 49]);
});

test('a job without a figure says nothing, and a figure is told once', () => {
  const { told, lines, progress } = listen();

  progress('1', null);
  expect([told, lines()]).toEqual([[], []]);
  progress('1', figure(100));
  progress('1', null);
  progress('1', null);

  expect(told).toEqual(['git: receiving objects 100 % (100 of 100)', null]);
  expect(lines()).toMatchObject([{ tenantId: '1', stage: 'receiving objects', percent: 100, total: 100 }]);
});

function listen() {
  const told: (string | null)[] = [];
  const { log, lines } = recordedLog();
  const progress = createProgress({ tell: (_tenant, text) => void told.push(text), log });
  return { told, lines: () => lines('artifact.progress'), progress };
}
