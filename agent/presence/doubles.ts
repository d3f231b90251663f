import { AgentError } from '../../state/errors.ts';
import type { Signature } from '../../state/messages/presence.ts';
import type { LinkNote } from '../broker/complaints.ts';
import { failure, type Log } from '../log.ts';

/** Another agent, elsewhere, says it is this instance. */
export class IdentityTakenError extends AgentError {
  override readonly name = 'IdentityTakenError';
  readonly code = 'BROKER_IDENTITY_TAKEN';
  readonly remedy: string;

  constructor(memberId: string, facts: { otherHost: string; otherRunId: string }) {
    super(`cannot be ${memberId} alone: another agent has the same MEMBER_ID`, { facts });
    this.remedy = `Stop one of the two agents; the other one is run ${facts.otherRunId} on host ${facts.otherHost}.`;
  }
}

/** More runs than ever speak for one instance. */
const runsKept = 50;

/**
 * Tells the traces of runs that are over from those of a run that lives beside ours. No clock is compared: what a run
 * says is in the order of its own numbers, and what the broker brings after our own words was said after them.
 *
 * - Before our first echo: what earlier runs have left. Each is remembered with its highest number.
 * - Afterwards a higher number means that this run has spoken since. `up`: it is alive. `down`: it may have been the late
 *   will of a run that is over; the second one was written by a new connection of it, so it is alive.
 *
 * @param options - `forgetMs`: a double that lives on is told of again, one that is silent is forgotten, after this time
 */
export function createDoubles(options: {
  memberId: string;
  forgetMs: number;
  log: Log;
  onNote: (note: LinkNote | null) => void;
}) {
  const { memberId, forgetMs, log, onNote } = options;
  const runs = new Map<string, { sequence: number; downs: number }>();
  let forgetting: NodeJS.Timeout | undefined;
  let toldAtMs = Number.NEGATIVE_INFINITY;

  function isAlive({ runId, sequence, link }: Signature, isAfterUs: boolean): boolean {
    const { sequence: highest, downs } = runs.get(runId) ?? { sequence: -1, downs: 0 };
    if (sequence <= highest) return false;
    const isDown = link !== 'up';
    remember(runId, { sequence, downs: isAfterUs && isDown ? downs + 1 : downs });
    return isAfterUs && (!isDown || downs > 0);
  }

  function remember(runId: string, run: { sequence: number; downs: number }): void {
    runs.delete(runId);
    runs.set(runId, run);
    const [oldest] = runs.keys();
    if (runs.size > runsKept && oldest !== undefined) runs.delete(oldest);
  }

  function tell({ runId: otherRunId, host: otherHost }: Signature): void {
    const now = performance.now();
    if (forgetting !== undefined && now - toldAtMs < forgetMs) return;
    toldAtMs = now;
    const err = new IdentityTakenError(memberId, { otherHost, otherRunId });
    log.error({ event: 'presence.identityTaken', ...failure(err) }, 'a second agent has our identity');
    onNote({ condition: 'degraded', text: `${err.message} (run ${otherRunId} on host ${otherHost})` });
  }

  function forgetLater(): void {
    clearTimeout(forgetting);
    forgetting = setTimeout(() => {
      forgetting = undefined;
      onNote(null);
    }, forgetMs);
  }

  return {
    /** Whether there is one, as far as we know. */
    get exist() {
      return forgetting !== undefined;
    },
    heard(signature: Signature, isAfterUs: boolean): void {
      if (!isAlive(signature, isAfterUs)) return;
      tell(signature);
      forgetLater();
    },
    stop: () => clearTimeout(forgetting),
  };
}
