import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** Memory of a process in bytes. Of `rss` 35-50 MB are the program file of Node, which moves with the page cache. */
export type Memory = {
  readonly rss: number;
  /** Its own memory: heap, stacks, buffers. */
  readonly anon: number;
  /** The most that `rss` has been. */
  readonly peak: number;
};

/** @throws the error of the system once the process is gone */
export function readMemory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytesOf = (key: string) => 1024 * Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  return { rss: bytesOf('VmRSS'), anon: bytesOf('RssAnon'), peak: bytesOf('VmHWM') };
}

/** What the process has used of the processors so far, in steps of 10 ms. */
export function readCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name in brackets, which may hold spaces; utime and stime are the 14th and 15th.
  const [utime, stime] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return 10 * (Number(utime) + Number(stime)); // USER_HZ is 100 wherever Node runs
}

/** Resolves when the process has done next to nothing for a quarter of a second. */
export async function untilCalm(pid: number, signal: AbortSignal): Promise<void> {
  for (let before = -1000, now = readCpuMs(pid); now - before > 10; now = readCpuMs(pid)) {
    before = now;
    await pause(250, undefined, { signal });
  }
}
