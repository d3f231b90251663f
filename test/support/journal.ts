import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import type { Faults } from '../../agent/faults.ts';
import { type Journal, openJournal, type Recovery } from '../../agent/journal/journal.ts';
import { sealed } from '../../agent/journal/line.ts';
import { createLog } from '../../agent/log.ts';

export const memberId = 'php-1.php.domain';
export const silent = createLog({ level: 'silent', pretty: false, colour: false });

/** A folder to be the `state.dir`, and agents that open the journal in it one after the other. */
export type StateDir = {
  readonly path: string;
  readonly journalPath: string;
  /** The former one is closed, unless it was left as a kill leaves it. */
  open(options?: { memberId?: string; faults?: Faults }): { journal: Journal; recovery: Recovery };
  /** Puts lines there as an agent has written them; `at` and the like can be given. */
  write(records: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  /** The lines, without their line feeds. */
  lines(): string[];
};

export const journalTest = test.extend<{ stateDir: StateDir }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that are needed from the pattern
  stateDir: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'journal-'));
    const stateDir = stateDirIn(join(folder, 'state'));
    await use(stateDir);
    stateDir.close();
    await rm(folder, { recursive: true, force: true });
  },
});

export function stateDirIn(path: string): StateDir & { close(): void } {
  const opened: Journal[] = [];
  const journalPath = join(path, 'journal');
  return {
    path,
    journalPath,
    open(options = {}) {
      const found = openJournal({ stateDir: path, memberId, log: silent, ...options });
      opened.push(found.journal);
      return found;
    },
    async write(records) {
      await writeFile(journalPath, records.map(sealed).join(''));
    },
    lines: () => readFileSync(journalPath, 'utf8').split('\n').slice(0, -1),
    close() {
      for (const journal of opened) journal.close();
    },
  };
}
