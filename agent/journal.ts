import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { AgentError, reasonOf } from '../state/errors.ts';
import { failure, type Log } from './log.ts';

/** What one line says: an input that mattered, the state it led to and the events it decided; or a receipt of one. */
export type JournalEntry =
  | { readonly kind: 'input'; readonly input: unknown; readonly state: string; readonly decided: readonly string[] }
  | { readonly kind: 'receipt'; readonly event: string };

/** The only writer of `state.dir`: what happened, one line each, on disk before its effects. */
export type Journal = {
  /** Never throws: when the disk fails, the agent acts from memory and says so once. */
  append(entry: JournalEntry): void;
  close(): void;
};

/** The journal cannot be written: a crash now would lose what has happened since. */
export class JournalError extends AgentError {
  override readonly name = 'JournalError';
  readonly code = 'JOURNAL_NOT_WRITTEN';
  readonly remedy =
    'Free space in state.dir, or make it a folder this user may write to; a kill before that loses events.';
}

/**
 * Opens `state.dir/journal` (0600) for appending; makes the folder when missing.
 *
 * @see design.md, "What survives a crash: the journal"
 */
export function openJournal(stateDir: string, log: Log): Journal {
  const path = join(stateDir, 'journal');
  const bootId = readBootId();
  let file: number | null = null;
  let sequence = 0;
  let told = false;

  function guarded(write: () => void): void {
    try {
      write();
    } catch (cause) {
      const error = new JournalError(`cannot write ${path}: ${reasonOf(cause)}`, { cause, facts: { path } });
      if (!told) log.error({ event: 'journal.failed', ...failure(error) }, 'acting from memory');
      told = true;
    }
  }

  guarded(() => {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    file = openSync(path, 'a', 0o600);
    syncFolder(dirname(path));
  });

  return {
    append(entry) {
      if (file === null) return;
      const { kind, ...facts } = entry;
      sequence += 1;
      const at = new Date().toISOString();
      const monotonicMs = Math.round(performance.now());
      const record = JSON.stringify({ sequence, at, monotonicMs, bootId, run: process.pid, kind, ...facts });
      const line = `${record.slice(0, -1)},"crc32":${crc32(record)}}\n`;
      const open = file;
      guarded(() => {
        writeSync(open, line);
        fsyncSync(open);
      });
    },
    close() {
      if (file !== null) closeSync(file);
      file = null;
    },
  };
}

/** So that the name of a new file survives, not only its content. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Not Linux, or no /proc: the line is then ordered by its sequence and time alone.
    return null;
  }
}
