import { setTimeout as pause } from 'node:timers/promises';
import type { Status } from '../../../state/status.ts';
import { NothingKnownError } from './look.ts';
import { type LifeState, states } from './options.ts';

/** How waiting for a state ended, and the last that was seen: `status` is null if nothing ever was, `unknown` says why. */
export type Waited = {
  readonly end: 'reached' | 'past' | 'timedOut';
  readonly status: Status | null;
  readonly unknown: NothingKnownError | null;
};

const everyMs = 250;

/**
 * Looks again and again until the instance is in that state. What a journal says does not count, except that it is all
 * over: the agent that wrote it may be just about to start.
 *
 * @throws what `signal` was aborted with
 */
export async function untilState(
  wanted: LifeState,
  options: { look: (withinMs: number) => Promise<Status>; timeoutMs: number | null; signal: AbortSignal },
): Promise<Waited> {
  const { look, timeoutMs, signal } = options;
  const deadlineMs = performance.now() + (timeoutMs ?? Number.POSITIVE_INFINITY);
  const leftMs = () => Math.max(0, deadlineMs - performance.now());
  let unknown: NothingKnownError | null = null;
  for (let status: Status | null = null; ; await pause(Math.min(everyMs, leftMs()), undefined, { signal })) {
    try {
      status = await look(leftMs());
    } catch (thrown) {
      // An agent that is not there yet is what is waited for.
      if (!(thrown instanceof NothingKnownError)) throw thrown;
      unknown = thrown;
    }
    const beyond = stepsBeyond(wanted, status);
    if (beyond === 0) return { end: 'reached', status, unknown };
    if (beyond > 0) return { end: 'past', status, unknown };
    if (leftMs() === 0) return { end: 'timedOut', status, unknown };
  }
}

/** Negative: not there yet. What comes later in a life never comes before it again. */
function stepsBeyond(wanted: LifeState, status: Status | null): number {
  const counts = status?.source === 'agent' || status?.state === 'obsolete';
  const names: readonly string[] = states;
  return (counts ? names.indexOf(status?.state ?? '') : -1) - names.indexOf(wanted);
}
