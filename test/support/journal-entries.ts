import type { JournalEntry } from '../../agent/journal/journal.ts';
import { type Facts, noFacts } from '../../state/lifecycle/facts.ts';

/** A line of input: what it was, what it decided, and the facts that are different from none. */
export function input(type: string, facts: Partial<Facts> = {}, decided: readonly string[] = []): JournalEntry {
  const state = facts.departed
    ? 'obsolete'
    : facts.leaving
      ? 'pendingTermination'
      : facts.activated
        ? 'active'
        : 'started';
  return { kind: 'input', input: { type }, state, decided, facts: { ...noFacts, ...facts } } as JournalEntry;
}

export function receipt(event: string): JournalEntry {
  return { kind: 'receipt', event } as JournalEntry;
}
