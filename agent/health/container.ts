import { join } from 'node:path';
import { type Memory, type Roots, readKernelFile, readKernelNumber } from './kernel-file.ts';

/** CPU time of all that runs in a control group, since it was made, and how many cores it may keep busy. */
export type CpuTime = { readonly group: string; readonly usedMs: number; readonly cores: number };

/** What the container has of what it may have; null if it may have as much as the host. */
export function memoryOfContainer(roots: Roots, hostBytes: number): Memory | null {
  const folders2 = foldersOf(roots, '', '0::');
  const folders1 = foldersOf(roots, 'memory', String.raw`\d+:(?:[^:\n]+,)?memory(?:,[^:\n]+)?:`);
  const limits = [...folders2.map(memoryByVersion2), ...folders1.map(memoryByVersion1)].filter((it) => it !== null);
  return tightest(limits, ({ totalBytes }) => totalBytes, hostBytes);
}

/** Null if it may use all cores. */
export function cpuOfContainer(roots: Roots, hostCores: number): CpuTime | null {
  const folders2 = foldersOf(roots, '', '0::');
  const folders1 = foldersOf(roots, 'cpu', String.raw`\d+:(?:[^:\n]+,)?cpu(?:,[^:\n]+)?:`);
  const accounts = foldersOf(roots, 'cpuacct', String.raw`\d+:(?:[^:\n]+,)?cpuacct(?:,[^:\n]+)?:`);
  const version1 = folders1.map((folder, index) => cpuByVersion1(folder, accounts[index] ?? folder));
  const limits = [...folders2.map(cpuByVersion2), ...version1].filter((it) => it !== null);
  return tightest(limits, ({ cores }) => cores, hostCores);
}

function memoryByVersion2(folder: string): Memory | null {
  const totalBytes = readKernelNumber(join(folder, 'memory.max'));
  const usedBytes = readKernelNumber(join(folder, 'memory.current'));
  const cacheBytes = readKernelNumber(join(folder, 'memory.stat'), 'inactive_file');
  return memoryOf(totalBytes, usedBytes, cacheBytes);
}

/** What its parents may have is told even where they are out of sight. */
function memoryByVersion1(folder: string): Memory | null {
  const ownBytes = readKernelNumber(join(folder, 'memory.limit_in_bytes'));
  const parentsBytes = readKernelNumber(join(folder, 'memory.stat'), 'hierarchical_memory_limit');
  const usedBytes = readKernelNumber(join(folder, 'memory.usage_in_bytes'));
  const cacheBytes = readKernelNumber(join(folder, 'memory.stat'), 'total_inactive_file');
  return memoryOf(ownBytes && Math.min(ownBytes, parentsBytes ?? ownBytes), usedBytes, cacheBytes);
}

/** @param cacheBytes - of files that nobody has used lately: others may have them at once */
function memoryOf(totalBytes: number | null, usedBytes: number | null, cacheBytes: number | null): Memory | null {
  if (totalBytes === null || usedBytes === null) return null;
  return { totalBytes, usedBytes: Math.max(0, usedBytes - (cacheBytes ?? 0)) };
}

function cpuByVersion2(group: string): CpuTime | null {
  const [, quota, period] = /^(\d+) (\d+)/.exec(readKernelFile(join(group, 'cpu.max')) ?? '') ?? [];
  const usedUs = readKernelNumber(join(group, 'cpu.stat'), 'usage_usec');
  if (quota === undefined || usedUs === null || Number(period) === 0) return null;
  return { group, usedMs: usedUs / 1_000, cores: Number(quota) / Number(period) };
}

function cpuByVersion1(group: string, account: string): CpuTime | null {
  const quota = readKernelNumber(join(group, 'cpu.cfs_quota_us'));
  const period = readKernelNumber(join(group, 'cpu.cfs_period_us'));
  const usedNs = readKernelNumber(join(account, 'cpuacct.usage'));
  if (quota === null || usedNs === null || period === null || period === 0) return null;
  return { group, usedMs: usedNs / 1e6, cores: quota / period };
}

/**
 * Where the limits of the container may be, from the inside out. A container sees itself at the top, and nothing above. One
 * that was given the host's view is found by the id in its name, its pod and the like around it. At the top of a machine
 * there are no limits; those of our own service, wherever it is, are not the instance's.
 */
function foldersOf({ proc, cgroup }: Roots, controller: string, line: string): string[] {
  const named = new RegExp(String.raw`^${line}(/.*[0-9a-f]{64}[^/\n]*)`, 'm');
  const [, path = ''] = named.exec(readKernelFile(join(proc, 'self', 'cgroup')) ?? '') ?? [];
  const names = path.split('/').filter((name) => name !== '');
  const inside = names.map((_, index) => join(cgroup, controller, ...names.slice(0, names.length - index)));
  return [...inside, join(cgroup, controller)];
}

/** The innermost of those that have the least, if that is less than the host has. */
function tightest<T>(limits: readonly T[], sizeOf: (limit: T) => number, ofHost: number): T | null {
  const real = limits.filter((limit) => sizeOf(limit) > 0 && sizeOf(limit) < ofHost);
  const least = Math.min(...real.map(sizeOf));
  return real.find((limit) => sizeOf(limit) === least) ?? null;
}
