/** Bytes per second. What is left of one second is not saved for later ones. */
export interface Budget {
  isOpen(): boolean;
  /** May be more than there is: what is owed is missing later, so that a long line passes, and the rate holds. */
  spend(bytes: number): void;
}

export function createBudget(bytesPerSecond: number, nowMs: () => number = () => performance.now()): Budget {
  let leftBytes = bytesPerSecond;
  let filledAtMs = nowMs();
  return {
    isOpen() {
      const now = nowMs();
      leftBytes = Math.min(bytesPerSecond, leftBytes + ((now - filledAtMs) * bytesPerSecond) / 1_000);
      filledAtMs = now;
      return leftBytes > 0;
    },
    spend(bytes) {
      leftBytes -= bytes;
    },
  };
}
