import { setTimeout as pause } from 'node:timers/promises';
import { type CpuTime, cpuOfContainer, memoryOfContainer } from './container.ts';
import { coresOfHost, loadOfHost, memoryOfHost } from './host.ts';
import { type Roots, systemRoots } from './kernel-file.ts';

/** By the names the platform knows, in percent; in this order they are sent. */
export type OwnStatistics = { readonly memory_consumption: number; readonly load_average: number };

export type Measure = () => Promise<OwnStatistics>;

/** The kernel's load is that of the last minute, and so is ours. */
const windowMs = 60_000;
const shortestWindowMs = 250;

/**
 * Makes the function that measures this instance: memory that nobody could have without swapping, and load.
 *
 * In a container with limits below the host's these count: memory of what it may have, and as load the CPU time of the last
 * minute of what it may use; the kernel's load is that of all containers together. Without limits, and on a machine of our
 * own, it is the machine: memory that is not available, and the 1-minute load per core, which may exceed 100.
 *
 * @param options - for another place of the kernel's files, and another clock
 * @see protocol.md section 9.3
 */
export function createMeasure({ roots = systemRoots, nowMs = () => performance.now() }: MeasureOptions = {}): Measure {
  const cpuPercent = createCpuPercent(() => cpuOfContainer(roots, coresOfHost(roots)), nowMs);

  return async () => ({
    memory_consumption: rounded(memoryPercent(roots)),
    load_average: rounded((await cpuPercent()) ?? (100 * loadOfHost(roots)) / coresOfHost(roots)),
  });
}

export type MeasureOptions = { readonly roots?: Roots; readonly nowMs?: () => number };

function memoryPercent(roots: Roots): number {
  const host = memoryOfHost(roots);
  const { usedBytes, totalBytes } = memoryOfContainer(roots, host.totalBytes) ?? host;
  return (100 * usedBytes) / totalBytes;
}

type Sample = CpuTime & { readonly atMs: number };

/** Of the last minute, as far as it was looked at; null: there is no limit to compare with. */
function createCpuPercent(read: () => CpuTime | null, nowMs: () => number): () => Promise<number | null> {
  let samples: readonly Sample[] = [];

  function look(): Sample | null {
    const cpu = read();
    const sample = cpu === null ? null : { ...cpu, atMs: nowMs() };
    const before =
      sample === null
        ? []
        : samples.filter((earlier) => earlier.group === sample.group && earlier.usedMs <= sample.usedMs);
    // One that is older than the window is kept, so that the window is never shorter than it could be.
    const firstKept = before.findLastIndex(({ atMs }) => atMs <= nowMs() - windowMs);
    samples = sample === null ? [] : [...before.slice(Math.max(0, firstKept)), sample];
    return sample;
  }

  look();
  return async () => {
    let now = look();
    if (now !== null && now.atMs - (samples[0]?.atMs ?? now.atMs) < shortestWindowMs) {
      await pause(shortestWindowMs);
      now = look();
    }
    const [first] = samples;
    if (now === null || first === undefined || now.atMs <= first.atMs) return null;
    return (100 * (now.usedMs - first.usedMs)) / ((now.atMs - first.atMs) * now.cores);
  };
}

function rounded(percent: number): number {
  return Math.round(percent * 100) / 100;
}
