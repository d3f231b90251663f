import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createLog } from '../agent/log.ts';
import { watchTerminator } from '../agent/terminator.ts';

const log = createLog({ level: 'silent', pretty: false, colour: false });

type Case = { summary: string; put: (file: string) => void };

const harmless: readonly Case[] = [
  { summary: 'nothing', put: () => {} },
  { summary: 'an empty file', put: (file) => writeFileSync(file, '') },
  { summary: 'another word', put: (file) => writeFileSync(file, 'false\n') },
  { summary: 'a word with true in it', put: (file) => writeFileSync(file, 'untrue') },
  { summary: 'a long text', put: (file) => writeFileSync(file, `true${' '.repeat(2_000)}`) },
  { summary: 'a folder', put: (file) => mkdirSync(file) },
  { summary: 'a pipe that nobody writes to', put: (file) => execFileSync('mkfifo', [file]) },
];

test.for(harmless)('$summary as terminator.txt stops nobody; true does, later', async ({ put }) => {
  const { file, asked } = watched(put);

  await pause(100); // twenty looks: that nothing comes of them can only be waited for
  const before = asked.aborted;
  rmSync(file, { recursive: true, force: true });
  writeFileSync(file, 'true');

  expect(before).toBe(false);
  await expect.poll(() => asked.reason).toBe('terminator.txt');
});

test.for(['true', 'True\n', '\uFEFFTRUE\r\n'])('%j in it at the start stops at once', async (text) => {
  const { asked } = watched((file) => writeFileSync(file, text));

  await expect.poll(() => asked.aborted).toBe(true);
});

function watched(put: Case['put']) {
  const home = mkdtempSync(join(tmpdir(), 'terminator-'));
  const ending = new AbortController();
  onTestFinished(() => {
    ending.abort();
    rmSync(home, { recursive: true });
  });
  const file = join(home, 'terminator.txt');
  put(file);
  return { file, asked: watchTerminator(home, { log, signal: ending.signal, everyMs: 5 }) };
}
