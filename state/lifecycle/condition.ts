/** What people are told beside the state. @see operators.md: ok, waiting (goes on by itself), blocked (a person must act), degraded */
export type Condition = { readonly condition: 'ok' | 'waiting' | 'blocked' | 'degraded'; readonly message: string };

/** One thing worth telling. */
export type Note = { readonly condition: 'waiting' | 'blocked' | 'degraded'; readonly text: string };

/** What is worth telling, by what it is about (`ports`, `artifact 1`, `startServers`); the newest note about a thing wins. */
export type Notes = Readonly<Record<string, Note>>;

/** The worst first. */
export const severity = ['blocked', 'waiting', 'degraded'] as const;

/** What each state waits for when nothing worse is to be told. */
const waitsFor: Readonly<Record<string, string>> = {
  created: 'waits for the platform to list this member as Initialized',
  initialized: 'runs the hooks before InstanceStarted',
  started: 'waits for hooks, artifacts and ports',
  pendingTermination: 'drains, cleans up and stops',
  obsolete: 'delivers what is left to the broker',
};

/**
 * The one line for people: the worst of the notes, or what the state itself waits for.
 *
 * @param state - the state of the life region: `created`, `active`, ...
 */
export function conditionOf(state: string, notes: Notes): Condition {
  const all = Object.values(notes);
  const worst = severity.map((condition) => all.find((note) => note.condition === condition)).find((note) => note);
  if (worst !== undefined) return { condition: worst.condition, message: worst.text };
  const waiting = waitsFor[state];
  return waiting === undefined ? { condition: 'ok', message: '' } : { condition: 'waiting', message: waiting };
}

export function withNote(notes: Notes, { about, ...note }: Note & { readonly about: string }): Notes {
  return { ...notes, [about]: note };
}

export function withoutNote(notes: Notes, about: string): Notes {
  if (!(about in notes)) return notes;
  return Object.fromEntries(Object.entries(notes).filter(([key]) => key !== about));
}
