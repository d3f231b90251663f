import type { Note } from '../state/lifecycle/condition.ts';
import type { Log } from './log.ts';

/** Compares the clock of this machine with what others say. */
export type ClockWatch = {
  /** By somebody's clock it is `timeMs`. */
  is(timeMs: number, source: string): void;
  /** By somebody's clock it is `timeMs`, or later. */
  isAtLeast(timeMs: number, source: string): void;
  /** Looks again: the clock may have been set. */
  look(): void;
};

/** A minute behind, and the CEP takes a member for dead: whoever is half of that wrong is told. */
const toleratedMs = 30_000;

const consequences = {
  behind: 'statistics count as old, and the platform may replace this member',
  'ahead of': 'the platform notices late if this member dies',
} as const;

/**
 * A clock that is behind makes statistics that are old when they arrive; one that is ahead makes them last too long.
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
  /** What the time was when the monotonic clock was 0, or what it was at least; by source, of which the newest word counts. */
  const origins = new Map<string, { readonly originMs: number; readonly isExact: boolean }>();
  let told: keyof typeof consequences | null = null;

  function look(): void {
    const differences = [...origins].map(([source, { originMs, isExact }]) => {
      const behindMs = originMs + monotonicMs() - nowMs();
      return { source, behindMs: isExact ? behindMs : Math.max(0, behindMs) };
    });
    const [worst] = differences.toSorted((one, other) => Math.abs(other.behindMs) - Math.abs(one.behindMs));
    const isWrong = worst !== undefined && Math.abs(worst.behindMs) > toleratedMs;
    const how = isWrong ? (worst.behindMs > 0 ? 'behind' : 'ahead of') : null;
    if (how === told) return;
    told = how;
    if (!isWrong || how === null) {
      log.info({ event: 'clock.right' }, 'the clock of this machine is right again');
      tell(null);
      return;
    }
    const { source } = worst;
    const behindMs = Math.round(worst.behindMs);
    const event = how === 'behind' ? 'clock.behind' : 'clock.ahead';
    log.warn({ event, behindMs, source }, 'the clock of this machine is wrong');
    const seconds = Math.round(Math.abs(behindMs) / 1_000);
    const text = `the clock of this machine is ${seconds} s ${how} ${source}: ${consequences[how]}`;
    tell({ condition: 'degraded', text });
  }

  function take(source: string, timeMs: number, isExact: boolean): void {
    origins.set(source, { originMs: timeMs - monotonicMs(), isExact });
    look();
  }

  return {
    is: (timeMs, source) => take(source, timeMs, true),
    isAtLeast: (timeMs, source) => take(source, timeMs, false),
    look,
  };
}
