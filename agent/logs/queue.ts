import { createBudget } from '../../plugins/log-publisher/budget.ts';

/** A line that was read, and when. */
export type LogLine = { readonly text: string; readonly timestampMs: number };

/** What was never sent, since the start. */
export type Dropped = { readonly lines: number; readonly bytes: number };

/** Lines on their way, in the order in which they were read. Bounded: the oldest make room. */
export type LogQueue = {
  add(line: LogLine): void;
  /** What comes no further than the file counts as dropped, too. */
  leftOut(what: Dropped): void;
  /** Those that are to be sent next; none while the rate is used up. */
  next(): readonly LogLine[];
  /** What `next` gave last has arrived. */
  sent(): void;
  /** From now on without regard to the rate: nothing more will come. */
  hurry(): void;
  readonly dropped: Dropped;
};

type Entry = LogLine & { readonly bytes: number; isDropped: boolean };

/** Small enough for any receiver. */
const batchBytesAtMost = 64 * 1024;
const batchLinesAtMost = 500;

/**
 * @param options - `limitBytes`: what is kept at most; `bytesPerSecond`: what is sent at most; `overheadBytes`: what a
 * line takes beside its text
 */
export function createLogQueue(options: {
  limitBytes: number;
  bytesPerSecond: number;
  overheadBytes: number;
  nowMs?: () => number;
}): LogQueue {
  const { limitBytes, bytesPerSecond, overheadBytes, nowMs } = options;
  const budget = createBudget(bytesPerSecond, nowMs);
  const batchBytes = Math.min(batchBytesAtMost, bytesPerSecond);
  const entries = new Set<Entry>();
  const dropped = { lines: 0, bytes: 0 };
  let offered: readonly Entry[] = [];
  let keptBytes = 0;
  let hurries = false;

  function drop(entry: Entry): void {
    entry.isDropped = true;
    remove(entry);
    dropped.lines += 1;
    dropped.bytes += entry.bytes - overheadBytes;
  }

  function remove(entry: Entry): void {
    entries.delete(entry);
    keptBytes -= entry.bytes;
  }

  return {
    dropped,
    leftOut({ lines, bytes }) {
      dropped.lines += lines;
      dropped.bytes += bytes;
    },
    add({ text, timestampMs }) {
      const entry = { text, timestampMs, bytes: Buffer.byteLength(text) + overheadBytes, isDropped: false };
      entries.add(entry);
      keptBytes += entry.bytes;
      for (const oldest of entries) {
        if (keptBytes <= limitBytes) return;
        drop(oldest);
      }
    },
    next() {
      offered = [];
      if (!hurries && !budget.isOpen()) return offered;
      const batch: Entry[] = [];
      let bytes = 0;
      for (const entry of entries) {
        bytes += entry.bytes;
        if (batch.length > 0 && (bytes > batchBytes || batch.length >= batchLinesAtMost)) break;
        batch.push(entry);
      }
      offered = batch;
      return offered;
    },
    sent() {
      for (const entry of offered) {
        budget.spend(entry.bytes);
        if (!entry.isDropped) {
          remove(entry);
          continue;
        }
        // It had to make room while it was on its way, and has arrived all the same.
        dropped.lines -= 1;
        dropped.bytes -= entry.bytes - overheadBytes;
      }
      offered = [];
    },
    hurry() {
      hurries = true;
    },
  };
}
