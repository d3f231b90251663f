import fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shop } from '../../agent/demo/story.ts';
import { type JournalEntry, openJournal } from '../../agent/journal/journal.ts';
import { createLog } from '../../agent/log.ts';
import { noFacts } from '../../state/lifecycle/facts.ts';
import type { Note } from './measures.ts';

/** As many as fit before the journal is compacted. */
const count = 500;
/** Until the code is compiled and the file is no longer new. */
const warmUp = 100;

/** What one line of the journal costs, from the input until it is on the disk of the temporary folder, and the same unsynced. */
export async function measureJournal(note: Note): Promise<void> {
  const synced = await appendLines();
  note('journalLine', percentile(synced, 50));
  note('journalLineSlow', percentile(synced, 99));

  const unsynced = await withoutSync(appendLines);
  note('journalUnsynced', percentile(unsynced, 50));
  note('journalUnsyncedSlow', percentile(unsynced, 99));
}

/** @returns microseconds, one for each line */
async function appendLines(): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  const log = createLog({ level: 'silent', pretty: false, colour: false });
  const { journal } = openJournal({ stateDir: join(folder, 'state'), memberId: shop.memberId, log });
  const append = (_: unknown, number: number) => {
    const sinceMs = performance.now();
    journal.append(hookPassed(number));
    return 1000 * (performance.now() - sinceMs);
  };

  const durations = Array.from({ length: warmUp + count }, append).slice(warmUp);
  const isWritten = !journal.failed;
  journal.close();
  await rm(folder, { recursive: true });
  if (!isWritten) throw new Error(`the journal cannot be written in ${folder}`);
  return durations;
}

/** An input of a life that has come far: with what it has to remember, 1 KB. */
function hookPassed(number: number): JournalEntry {
  const found = {
    tenantId: String(shop.tenantId),
    commit: number.toString(16).padStart(40, '0'),
    changed: true,
    path: '/var/www',
    repoUrl: 'https://git.example.org/shop/web.git',
    oldCommit: 'a'.repeat(40),
    rejected: false,
    warning: null,
    isRelease: true,
  };
  return {
    kind: 'input',
    input: { type: 'HookPassed', gate: 'artifactUpdated', executable: `artifactUpdated/${number}-reload` },
    state: 'started',
    decided: [],
    facts: {
      ...noFacts,
      started: true,
      startedAnything: true,
      passedGates: ['lvsInterface', 'volumeMount', 'instanceStarting', 'startServers'],
      attempts: { artifactUpdated: 1 },
      passedHooks: [`artifactUpdated artifactUpdated/${number}-reload`],
      deployed: [found.tenantId],
      unsettled: { found, isAllowed: true, isPlaced: true, refused: null, returned: null },
    },
  };
}

/** The same code on the same disk, but that nobody waits for the disk. */
async function withoutSync<Result>(work: () => Promise<Result>): Promise<Result> {
  const { fdatasyncSync, fsyncSync } = fs;
  Object.assign(fs, { fdatasyncSync: () => {}, fsyncSync: () => {} });
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    Object.assign(fs, { fdatasyncSync, fsyncSync });
    syncBuiltinESMExports();
  }
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? 0;
}
