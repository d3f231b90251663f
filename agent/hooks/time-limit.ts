/** A deadline that whom it is for may move, up to a cap. Its signal aborts when it is reached. */
export type TimeLimit = Disposable & {
  readonly signal: AbortSignal;
  /** Ends no sooner than `ms` from now; never later than the cap, never sooner than before, and not once it is reached. */
  extend(ms: number): void;
  /** Ends `ms` later than it would; never later than the cap, and not once it is reached. */
  lengthen(ms: number): void;
};

const longestTimerMs = 2 ** 31 - 1;

/** @param capMs - from the start, like `limitMs`; both by the monotonic clock */
export function createTimeLimit(limitMs: number, capMs: number): TimeLimit {
  const reached = new AbortController();
  const startedAt = performance.now();
  let isOver = false;
  let endsAfterMs = limitMs;
  let timer = arm();
  return {
    signal: reached.signal,
    extend: (ms) => moveTo(performance.now() - startedAt + ms),
    lengthen: (ms) => moveTo(endsAfterMs + ms),
    [Symbol.dispose]() {
      isOver = true;
      clearTimeout(timer);
    },
  };

  function moveTo(afterMs: number): void {
    const wantedMs = Math.min(afterMs, capMs);
    if (isOver || reached.signal.aborted || !(wantedMs > endsAfterMs)) return; // what is no number is not more, either
    endsAfterMs = wantedMs;
    clearTimeout(timer);
    timer = arm();
  }

  function arm(): NodeJS.Timeout {
    const leftMs = endsAfterMs - (performance.now() - startedAt);
    return setTimeout(() => reached.abort(), Math.min(Math.max(0, leftMs), longestTimerMs));
  }
}
