import type { Notes } from '../state/lifecycle/condition.ts';
import { type Activity, type Limits, overdueNotes, type Wait, waitsIn } from '../state/lifecycle/patience.ts';
import type { Log } from './log.ts';

/** A wait, as it stands now. */
export type StandingWait = Wait & { readonly forMs: number; readonly isOverdue: boolean };

/** Watches how long the machine waits for what. */
export type PatienceWatch = {
  /** To be told after each step of the machine. */
  look(activity: Activity): void;
  /** What takes longer than it may, for the condition. */
  overdue(): Notes;
  waits(): readonly StandingWait[];
  stop(): void;
};

/** The longest a timer of Node can wait; beyond it would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

type Running = { readonly wait: Wait; readonly sinceMs: number; timer: NodeJS.Timeout | null; isOverdue: boolean };

/**
 * A timer per thing that is waited for; when it runs out that is logged, and `onOverdue` is called. All by the
 * monotonic clock.
 */
export function watchPatience(options: { limits: Limits; log: Log; onOverdue: () => void }): PatienceWatch {
  const { limits, log } = options;
  const running = new Map<string, Running>();
  let states: readonly string[] = [];

  function begin(wait: Wait): void {
    const it: Running = { wait, sinceMs: performance.now(), timer: null, isOverdue: false };
    running.set(wait.key, it);
    if (wait.longestMs === null) return;
    it.timer = setTimeout(() => tell(it), Math.min(wait.longestMs, longestTimerMs)).unref();
  }

  function tell(it: Running): void {
    it.isOverdue = true;
    const { about, waitsFor, longestMs, code, remedy } = it.wait;
    const since = new Date(Date.now() - forMs(it)).toISOString();
    log.warn(
      { event: 'lifecycle.stuck', about, waitsFor, since, longestMs, code, remedy },
      'instance waits longer than it should',
    );
    options.onOverdue();
  }

  function end(it: Running): void {
    running.delete(it.wait.key);
    if (it.timer !== null) clearTimeout(it.timer);
    if (!it.isOverdue) return;
    const { about, waitsFor } = it.wait;
    log.info({ event: 'lifecycle.unstuck', about, waitsFor, durationMs: forMs(it) }, 'instance waits for it no longer');
  }

  return {
    look(activity) {
      const waits = new Map(waitsIn(activity, limits).map((wait) => [wait.key, wait]));
      states = activity.states;
      for (const it of [...running.values()]) if (!waits.has(it.wait.key)) end(it);
      for (const wait of waits.values()) if (!running.has(wait.key)) begin(wait);
    },
    overdue: () => {
      const overdue = [...running.values()].filter(({ isOverdue }) => isOverdue);
      return overdueNotes(
        overdue.map(({ wait }) => wait),
        states,
      );
    },
    waits: () => [...running.values()].map((it) => ({ ...it.wait, forMs: forMs(it), isOverdue: it.isOverdue })),
    stop() {
      for (const { timer } of running.values()) if (timer !== null) clearTimeout(timer);
      running.clear();
    },
  };
}

function forMs({ sinceMs }: Running): number {
  return Math.round(performance.now() - sinceMs);
}
