import type { StatusEvent } from '../../state/lifecycle/context.ts';
import { type Facts, noFacts } from '../../state/lifecycle/facts.ts';
import { elapsedMs, type Stamp } from './clock.ts';
import type { Line, Undelivered } from './line.ts';
import { factsOfOlderLine } from './older.ts';

/** What the lines up to one of them say. */
export type Known = {
  readonly memberId: string | null;
  readonly sequence: number;
  readonly state: string | null;
  readonly facts: Facts | null;
  /** In the order of their decisions. */
  readonly undelivered: readonly Undelivered[];
  /** Since leaving began, as of the last line. */
  readonly leavingForMs: number | null;
  /** Since InstanceStarted was last decided, as of the last line. */
  readonly startedAgoMs: number | null;
  /** Since the state was entered, as of the last line; null where no line tells. */
  readonly stateForMs: number | null;
  readonly last: Stamp | null;
  /** Receipts since a damaged line, until facts tell what was decided in it; null where nothing is damaged. */
  readonly gap: readonly StatusEvent[] | null;
};

export const nothingKnown: Known = {
  memberId: null,
  sequence: 0,
  state: null,
  facts: null,
  undelivered: [],
  leavingForMs: null,
  startedAgoMs: null,
  stateForMs: null,
  last: null,
  gap: null,
};

/** What is known once `line` has been read, or written. */
export function withLine(before: Known, line: Line): Known {
  const known = { ...knownAt(before, line), sequence: Math.max(before.sequence, line.sequence) };
  const { memberId, state, facts, undelivered, leavingForMs, startedAgoMs, stateForMs } = line;
  switch (line.kind) {
    case 'opened':
      return { ...known, memberId };
    case 'checkpoint':
      return { ...known, memberId, state, facts, undelivered, leavingForMs, startedAgoMs, stateForMs, gap: null };
    case 'receipt':
      return line.event === null ? known : withReceipt(known, line.event, line.for);
    case 'input':
      return withInput(known, line);
    default:
      // Of an artifact, or of a version to come: nothing of the machine is in it.
      return known;
  }
}

/** What is known once a damaged line has been met. */
export function withGap(known: Known): Known {
  return { ...known, stateForMs: null, gap: known.gap ?? [] };
}

/** The same at a later time: what has begun has lasted longer. */
export function knownAt(known: Known, stamp: Stamp): Known {
  const passedMs = known.last === null ? 0 : elapsedMs(known.last, stamp);
  const { at, sinceBootMs, bootId } = stamp;
  return {
    ...known,
    leavingForMs: known.leavingForMs === null ? null : known.leavingForMs + passedMs,
    startedAgoMs: known.startedAgoMs === null ? null : known.startedAgoMs + passedMs,
    stateForMs: known.stateForMs === null ? null : known.stateForMs + passedMs,
    last: { at, sinceBootMs, bootId },
  };
}

/** The line that decided what is acknowledged now: the oldest about that event, for the outbox keeps the order. */
export function decidedAt(known: Known, event: StatusEvent): number | null {
  return known.undelivered.find((it) => it.event === event)?.sequence ?? null;
}

function withInput(known: Known, line: Line): Known {
  const facts = line.facts ?? factsOfOlderLine(known.facts, line);
  const missed = known.gap === null ? [] : decidedInGap(known, facts, line.decided);
  const events = [...missed, ...line.decided.map((event) => ({ sequence: line.sequence, event }))];
  return {
    ...known,
    facts,
    state: line.state ?? known.state,
    undelivered: [...known.undelivered, ...events],
    leavingForMs: facts?.leaving ? (known.leavingForMs ?? 0) : null,
    startedAgoMs: line.decided.includes('InstanceStartedEvent') ? 0 : known.startedAgoMs,
    // It may have been entered in a damaged line.
    stateForMs: line.state === null || line.state === known.state || known.gap !== null ? known.stateForMs : 0,
    gap: null,
  };
}

/**
 * Its decision is known by the sequence number; by the event alone if that line is damaged, or of version 0.1.0.
 * The outbox keeps the order, so what was decided before it is delivered too.
 */
function withReceipt(known: Known, event: StatusEvent, decidedIn: number | null): Known {
  const { undelivered, gap } = known;
  const exact = undelivered.findIndex((it) => it.event === event && it.sequence === decidedIn && decidedIn !== null);
  const index = exact === -1 ? undelivered.findIndex((it) => it.event === event) : exact;
  if (index === -1) return gap === null ? known : { ...known, gap: [...gap, event] };
  return { ...known, undelivered: undelivered.slice(index + 1) };
}

/**
 * Events whose decision is in no line, though the facts say that they were decided: it was in a damaged one. They are sent
 * again, which is harmless, but for InstanceStarted once it was followed by InstanceActivated.
 */
function decidedInGap({ facts, gap }: Known, after: Facts | null, decided: readonly StatusEvent[]): Undelivered[] {
  const before = facts ?? noFacts;
  if (after === null) return [];
  const isNew = (fact: 'started' | 'activated' | 'leaving' | 'departed') => after[fact] && !before[fact];
  const events: StatusEvent[] = [];
  if (isNew('started') && !after.activated) events.push('InstanceStartedEvent');
  if (isNew('activated')) events.push('InstanceActivatedEvent');
  if (isNew('leaving')) events.push('InstanceMaintenanceModeEvent');
  if (isNew('departed') && !after.gaveUp) events.push('InstanceReadyToShutdownEvent');
  const isMissed = (event: StatusEvent) => !decided.includes(event) && !gap?.includes(event);
  return events.filter(isMissed).map((event) => ({ sequence: null, event }));
}
