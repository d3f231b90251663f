import type { Note } from '../state/lifecycle/condition.ts';
import type { Log } from './log.ts';

/** Compares the clock of this machine with what others say. */
export type ClockWatch = {
  /** By somebody's clock it is `timeMs`, or later. */
  isAtLeast(timeMs: number, source: string): void;
  /** Looks again: the clock may have been set. */
  look(): void;
};

/** A minute behind, and the CEP takes a member for dead: whoever is half of that behind is told. */
const toleratedMs = 30_000;

/**
 * Only a clock that is behind is looked for: its statistics are old when they arrive, and the platform replaces the member.
 *
 * @param options - `tell`: what is wrong; null once it is right
 * @see protocol.md section 9.3, "Liveness"
 */
export function createClockWatch(options: {
  tell: (note: Note | null) => void;
  log: Log;
  nowMs?: () => number;
  monotonicMs?: () => number;
}): ClockWatch {
  const { tell, log, nowMs = Date.now, monotonicMs = () => performance.now() } = options;
  /** What the time was, at least, when the monotonic clock was 0; by source, of which the newest word counts. */
  const origins = new Map<string, number>();
  let isTold = false;

  function look(): void {
    const behind = [...origins].map(([source, originMs]) => ({ source, ms: originMs + monotonicMs() - nowMs() }));
    const [worst] = behind.toSorted((one, other) => other.ms - one.ms);
    const isBehind = worst !== undefined && worst.ms > toleratedMs;
    if (isBehind === isTold) return;
    isTold = isBehind;
    if (!isBehind) {
      log.info({ event: 'clock.right' }, 'the clock of this machine is right again');
      tell(null);
      return;
    }
    const behindMs = Math.round(worst.ms);
    log.warn({ event: 'clock.behind', behindMs, source: worst.source }, 'the clock of this machine is behind');
    const text = `the clock of this machine is ${Math.round(behindMs / 1_000)} s behind ${worst.source}: statistics count as old, and the platform may replace this member`;
    tell({ condition: 'degraded', text });
  }

  return {
    isAtLeast(timeMs, source) {
      origins.set(source, timeMs - monotonicMs());
      look();
    },
    look,
  };
}
