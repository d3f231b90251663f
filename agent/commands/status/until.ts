import { setTimeout as pause } from 'node:timers/promises';
import type { Status } from '../../../state/status.ts';
import { NothingKnownError } from './look.ts';
import { type LifeState, states } from './options.ts';

/** How waiting for a state ended, and the last that was seen; null: nothing ever was. */
export type Waited = { readonly end: 'reached' | 'past' | 'timedOut'; readonly status: Status | null };

const everyMs = 250;

/**
 * Looks again and again until the instance is in that state. What a journal says does not count, except that it is all
 * over: the agent that wrote it may be just about to start.
 *
 * @throws what `signal` was aborted with
 */
export async function untilState(
  wanted: LifeState,
  { look, timeoutMs, signal }: { look: () => Promise<Status>; timeoutMs: number | null; signal: AbortSignal },
): Promise<Waited> {
  const deadlineMs = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  for (let status: Status | null = null; ; await pause(everyMs, undefined, { signal })) {
    status = await look().catch(onlyUnknown(status));
    const beyond = stepsBeyond(wanted, status);
    if (beyond === 0) return { end: 'reached', status };
    if (beyond > 0) return { end: 'past', status };
    if (performance.now() >= deadlineMs) return { end: 'timedOut', status };
  }
}

/** Negative: not there yet. What comes later in a life never comes before it again. */
function stepsBeyond(wanted: LifeState, status: Status | null): number {
  const counts = status?.source === 'agent' || status?.state === 'obsolete';
  const names: readonly string[] = states;
  return (counts ? names.indexOf(status?.state ?? '') : -1) - names.indexOf(wanted);
}

/** An agent that is not there yet is what is waited for. */
function onlyUnknown(before: Status | null): (thrown: unknown) => Status | null {
  return (thrown) => {
    if (thrown instanceof NothingKnownError) return before;
    throw thrown;
  };
}
