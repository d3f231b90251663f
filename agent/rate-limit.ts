const burst = 5;
const refillMs = 10_000;

/**
 * For lines that others can make us write: five at once per key, then one every ten seconds. The keys must be few.
 *
 * @returns asks for one line: null if not now, else how many were left out since the last one
 */
export function createRateLimit(nowMs: () => number = () => performance.now()) {
  const buckets = new Map<string, { tokens: number; refilledAtMs: number; suppressed: number }>();
  return (key: string): { suppressed?: number } | null => {
    const now = nowMs();
    const bucket = buckets.get(key) ?? { tokens: burst, refilledAtMs: now, suppressed: 0 };
    buckets.set(key, bucket);
    const refill = Math.floor((now - bucket.refilledAtMs) / refillMs);
    bucket.refilledAtMs += refill * refillMs;
    bucket.tokens = Math.min(burst, bucket.tokens + refill);
    if (bucket.tokens === 0) {
      bucket.suppressed += 1;
      return null;
    }
    bucket.tokens -= 1;
    const { suppressed } = bucket;
    bucket.suppressed = 0;
    return suppressed === 0 ? {} : { suppressed };
  };
}
