import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { AgentError } from '../../state/errors.ts';
import type { StatusEvent } from '../../state/lifecycle/context.ts';
import type { Facts } from '../../state/lifecycle/facts.ts';
import { boundedProvenance, type Provenance } from '../../state/provenance.ts';
import { type Faults, noFaults } from '../faults.ts';
import { failure, type Log } from '../log.ts';
import { newestIn, recordsIn } from './artifact-lines.ts';
import { createClock, elapsedMs, type Stamp } from './clock.ts';
import { createJournalFile } from './file.ts';
import { decidedAt, knownAt } from './known.ts';
import { inputToWrite, type Line, parseLine, schema } from './line.ts';
import type { Reading } from './read.ts';
import { lookAt, takeOver } from './take-over.ts';
import { createWriter } from './writer.ts';

/**
 * What one line says: an input that mattered, the state it led to and the events it decided; a receipt of one of these; or
 * what happened to an artifact.
 */
export type JournalEntry =
  | {
      readonly kind: 'input';
      readonly input: unknown;
      readonly state: string;
      readonly decided: readonly StatusEvent[];
      /** As they are once the input has been taken. */
      readonly facts: Facts;
    }
  | { readonly kind: 'receipt'; readonly event: StatusEvent }
  /** What is in place from now on; the newest 100 are kept, and the last of each tenant. */
  | { readonly kind: 'artifact'; readonly record: Provenance };

/** The only writer of `state.dir/journal`: what happened, one line each, on disk before its effects. */
export type Journal = {
  /** On disk when it returns. Never throws: when the disk fails, the agent acts from memory, and says so. */
  append(entry: JournalEntry): void;
  /** Puts what is known into the file again where somebody has taken it away. Never throws. */
  restore(): void;
  /** The last writing failed, so far: a kill would lose what has happened since. */
  readonly failed: boolean;
  /** Calls with each change of `failed`; what it is now it does not tell. */
  onFailure(listener: (failed: boolean) => void): void;
  close(): void;
};

/** What the journal knows of this member's life, at the time of the question. Durations in milliseconds. */
export type Recovery = {
  /** Null: nothing is known; the topology alone decides. */
  readonly facts: Facts | null;
  readonly state: string | null;
  /** Decided, without a receipt, in order. An event that was decided twice may be there twice. */
  readonly undelivered: readonly StatusEvent[];
  /** How long ago leaving began; null: it has not. */
  readonly leavingForMs: number | null;
  /** How long ago InstanceStarted was last decided; null: it was not. */
  readonly startedAgoMs: number | null;
  /** How long ago the state was entered; null: no line tells. */
  readonly stateForMs: number | null;
  readonly lastWrittenAgoMs: number | null;
  /** The last record of each tenant. */
  readonly artifacts: readonly Provenance[];
  /** What was wrong with the journal; already in the log. */
  readonly problems: readonly AgentError[];
};

/** At the start, what is longer than this is compacted. */
const longBytes = 65_536;

/**
 * Opens `state.dir/journal` (0600, the folder 0700 when it is made) and reads what is there. Nothing about the disk makes
 * this throw: what cannot be read is unknown, what cannot be written stays in memory until it can.
 *
 * @param options - `run`: what the lines of this run are known by
 * @see design.md, "What survives a crash: the journal"
 */
export function openJournal(options: {
  stateDir: string;
  memberId: string;
  log: Log;
  faults?: Faults;
  run?: { readonly id: string; readonly agentVersion: string | null };
}): { journal: Journal; recovery: Recovery } {
  const { stateDir, memberId, log, faults = noFaults } = options;
  const run = options.run ?? { id: randomUUID(), agentVersion: null };
  const path = join(stateDir, 'journal');
  const clock = createClock();
  const { reading, problems, mustRewrite } = takeOver(stateDir, { memberId, faults });
  for (const problem of problems)
    log.warn({ event: 'journal.problem', ...failure(problem) }, 'journal was not as left');

  const file = createJournalFile(path, { wholeBytes: reading.wholeBytes, faults });
  const writer = createWriter({ path, file, clock, from: reading, memberId, log });
  const recovery = recoveryOf(reading, { stamp: clock(), problems });
  if (mustRewrite) writer.rewrite();
  else if (reading.wholeBytes > longBytes + reading.history.artifacts.sizeBytes) writer.compact();
  writer.write({ kind: 'opened', schema, memberId, runId: run.id, agentVersion: run.agentVersion });

  const journal: Journal = {
    append(entry) {
      if (entry.kind === 'input') writer.write({ ...entry, input: inputToWrite(entry.input) });
      else if (entry.kind === 'artifact') writer.write({ ...entry, record: boundedProvenance(entry.record) });
      else writer.write({ ...entry, for: decidedAt(writer.known, entry.event) });
    },
    get failed() {
      return writer.failed;
    },
    restore: writer.restore,
    onFailure: writer.onFailure,
    close: writer.close,
  };
  return { journal, recovery };
}

/**
 * What the journal of an agent that does not run tells; changes nothing.
 *
 * @returns `lastLines`: the last ones, oldest first; `artifacts`: the records of what ran here, oldest first;
 * `ageMs`: since the last line; all empty when there is no journal; `at`: when it was asked
 */
export function readJournal(stateDir: string): {
  memberId: string | null;
  recovery: Recovery;
  lastLines: readonly Line[];
  artifacts: readonly Provenance[];
  ageMs: number | null;
  at: Stamp;
} {
  const { reading, problems } = lookAt(stateDir);
  const stamp = createClock()();
  const recovery = recoveryOf(reading, { stamp, problems });
  const lines = reading.history.lines(Date.now());
  return {
    memberId: reading.known.memberId,
    recovery,
    lastLines: lines.flatMap((line) => parseLine(line.trimEnd()) ?? []),
    artifacts: recordsIn(reading.history.artifacts),
    ageMs: recovery.lastWrittenAgoMs,
    at: stamp,
  };
}

function recoveryOf({ known, history }: Reading, at: { stamp: Stamp; problems: readonly AgentError[] }): Recovery {
  const { facts, state, undelivered, leavingForMs, startedAgoMs, stateForMs } = knownAt(known, at.stamp);
  return {
    facts,
    state,
    undelivered: undelivered.map(({ event }) => event),
    leavingForMs,
    startedAgoMs,
    stateForMs,
    lastWrittenAgoMs: known.last === null ? null : elapsedMs(known.last, at.stamp),
    artifacts: newestIn(history.artifacts),
    problems: at.problems,
  };
}
