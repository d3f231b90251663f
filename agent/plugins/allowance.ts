/** Lets through `burst` at once and `perSecond` in the long run; counts what it does not. */
export type Allowance = {
  /** How many were kept back since the last one that was let through; null: this one is kept back, too. */
  take(amount?: number): number | null;
};

/** @param nowMs - a monotonic clock */
export function createAllowance(
  burst: number,
  perSecond: number,
  nowMs: () => number = () => performance.now(),
): Allowance {
  let left = burst;
  let filledAtMs = nowMs();
  let kept = 0;
  return {
    take(amount = 1) {
      const now = nowMs();
      left = Math.min(burst, left + ((now - filledAtMs) * perSecond) / 1_000);
      filledAtMs = now;
      if (left < amount) {
        kept += amount;
        return null;
      }
      left -= amount;
      const before = kept;
      kept = 0;
      return before;
    },
  };
}
