import { reasonOf } from '../../state/errors.ts';
import { failure, type Log } from '../log.ts';
import type { Stamp } from './clock.ts';
import { JournalError } from './failures.ts';
import type { JournalFile } from './file.ts';
import type { History } from './history.ts';
import { type Known, knownAt, withLine } from './known.ts';
import { parseLine, sealed } from './line.ts';

/** Writes records as lines, and knows what they say; goes on from memory when the disk fails. */
export type Writer = {
  readonly known: Known;
  readonly failed: boolean;
  /** Never throws. */
  write(record: Readonly<Record<string, unknown>> & { readonly kind: string }): void;
  /** Puts a checkpoint and the recent lines in the place of what is in the file, before anything is added. Never throws. */
  rewrite(): void;
  /** The same where the file is not as we left it. Never throws. */
  restore(): void;
  /** The same, but nothing is lost if it does not work: the file goes on. Never throws. */
  compact(): void;
  onFailure(listener: (failed: boolean) => void): void;
  close(): void;
};

/** A journal that is not compacted at a start grows to this. */
const compactAboveBytes = 1_048_576;
const retryMs = 5_000;

/** @param from - what is known, and the lines to keep, when the first record comes */
export function createWriter(options: {
  path: string;
  file: JournalFile;
  clock: () => Stamp;
  from: { known: Known; history: History };
  memberId: string;
  log: Log;
}): Writer {
  const { path, file, clock, memberId, log } = options;
  const { history } = options.from;
  let { known } = options.from;
  let compactAbove = compactAboveBytes;
  let failedWith: string | null = null;
  let retry: NodeJS.Timeout | null = null;
  const listeners: ((failed: boolean) => void)[] = [];

  /** Known from now on, whether or not it gets to the disk. */
  function note(record: Readonly<Record<string, unknown>>): string {
    const stamp = clock();
    const line = sealed({ sequence: known.sequence + 1, ...stamp, run: process.pid, ...record });
    const parsed = parseLine(line.trimEnd());
    if (parsed !== null) known = withLine(known, parsed);
    history.push(line, stamp.at, parsed);
    return line;
  }

  /** The checkpoint comes last: it makes the lines before it history, and they are there should it be damaged. */
  function replaceFile(): void {
    const stamp = clock();
    const { undelivered, state, facts, leavingForMs, startedAgoMs, stateForMs } = knownAt(known, stamp);
    const content = { memberId, state, facts, undelivered, leavingForMs, startedAgoMs, stateForMs };
    const sequence = known.sequence + 1;
    const checkpoint = sealed({ sequence, ...stamp, run: process.pid, kind: 'checkpoint', ...content });
    const nowMs = Date.parse(stamp.at);
    file.replace([...history.lines(nowMs), checkpoint]);
    history.compacted(nowMs);
    known = { ...knownAt(known, stamp), memberId, sequence };
    compactAbove = compactAboveBytes;
  }

  /** What makes appending fail need not hold for a new file: the old one was removed, or its disk block is broken. */
  function tryInTurn(ways: readonly (() => void)[]): void {
    let first: { cause: unknown } | null = null;
    for (const way of ways) {
      try {
        way();
        working(first);
        return;
      } catch (cause) {
        first ??= { cause };
      }
    }
    if (first !== null) notWorking(first.cause);
  }

  function working(overcome: { cause: unknown } | null): void {
    if (failedWith !== null) log.info({ event: 'journal.recovered', path }, 'journal is written again, and complete');
    else if (overcome !== null)
      log.warn({ event: 'journal.replaced', path, reason: reasonOf(overcome.cause) }, 'journal was written anew');
    if (failedWith === null) return;
    failedWith = null;
    if (retry !== null) clearInterval(retry);
    retry = null;
    for (const listener of listeners) listener(false);
  }

  function notWorking(cause: unknown): void {
    const error = new JournalError(`cannot write ${path}: ${reasonOf(cause)}`, { cause, facts: { path } });
    const condition = codeOf(cause);
    const isNew = failedWith === null;
    if (failedWith !== condition)
      log.error({ event: 'journal.failed', ...failure(error) }, 'acting from memory: a kill now loses what happens');
    failedWith = condition;
    // Space may come back while nothing happens that would be a line.
    retry ??= setInterval(() => tryInTurn([replaceFile]), retryMs).unref();
    if (isNew) for (const listener of listeners) listener(true);
  }

  function compact(): void {
    try {
      replaceFile();
    } catch (cause) {
      // The old file is there and takes lines: this can wait.
      compactAbove = file.sizeBytes + compactAboveBytes;
      log.warn({ event: 'journal.notCompacted', path, reason: reasonOf(cause) }, 'journal stays longer than it should');
    }
  }

  return {
    get known() {
      return known;
    },
    get failed() {
      return failedWith !== null;
    },
    write(record) {
      const line = note(record);
      tryInTurn(failedWith === null ? [() => file.append(line), replaceFile] : [replaceFile]);
      const isDue = file.sizeBytes > compactAbove || history.isOld(Date.now());
      if (isDue && failedWith === null) compact();
    },
    rewrite: () => tryInTurn([replaceFile]),
    restore: () => tryInTurn(failedWith === null ? [file.check, replaceFile] : [replaceFile]),
    compact,
    onFailure: (listener) => void listeners.push(listener),
    close() {
      if (failedWith !== null) tryInTurn([replaceFile]);
      if (retry !== null) clearInterval(retry);
      file.close();
    },
  };
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : reasonOf(cause);
}
