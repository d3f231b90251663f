import { readFileSync } from 'node:fs';

/** When a line was written: by the wall clock, for people, and since boot, by which time is measured. */
export type Stamp = {
  /** UTC. */
  readonly at: string;
  /** CLOCK_MONOTONIC, the same for every process; null in lines of versions that did not write it. */
  readonly sinceBootMs: number | null;
  /** Tells one boot from the next; null where the system does not say. */
  readonly bootId: string | null;
};

/** Tells the time for this process, which lives within one boot. */
export function createClock(): () => Stamp {
  const bootId = readBootId();
  return () => ({
    at: new Date().toISOString(),
    // Not performance.now(): that begins anew with each process.
    sinceBootMs: Number(process.hrtime.bigint() / 1_000_000n),
    bootId,
  });
}

/**
 * Milliseconds from one stamp to a later one, never negative. Within one boot the wall clock has no say, whatever it was
 * set to. Across boots there is nothing else, but it is held to what is certain: a clock set back cannot take off what has
 * passed since the second boot. One set forth across a boot looks like a machine that was off for so long.
 */
export function elapsedMs(from: Stamp, to: Stamp): number {
  const wallMs = Date.parse(to.at) - Date.parse(from.at);
  const byWallMs = Number.isNaN(wallMs) ? 0 : Math.max(0, wallMs);
  if (from.bootId === null || to.bootId === null || to.sinceBootMs === null) return byWallMs;
  if (from.bootId !== to.bootId) return Math.max(byWallMs, to.sinceBootMs);
  const sinceMs = from.sinceBootMs === null ? -1 : to.sinceBootMs - from.sinceBootMs;
  // Backwards within a boot: a container whose clock has an offset of its own.
  return sinceMs >= 0 ? sinceMs : byWallMs;
}

function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Not Linux, or no /proc: time is then measured by the wall clock alone.
    return null;
  }
}
