import { readFileSync } from 'node:fs';

/** Where the kernel shows its files; elsewhere in tests. */
export type Roots = { readonly proc: string; readonly cgroup: string };

/** Without what could be had at once. */
export type Memory = { readonly usedBytes: number; readonly totalBytes: number };

export const systemRoots: Roots = { proc: '/proc', cgroup: '/sys/fs/cgroup' };

/**
 * Null if it is not there, or not for us. Synchronous: it is memory, not a disk, and what hangs on a dead network drive has
 * all threads that asynchronous reads would need.
 */
export function readKernelFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** A whole number, alone in its file, or first in the line that begins with `name`; null if there is none. */
export function readKernelNumber(path: string, name?: string): number | null {
  const text = readKernelFile(path) ?? '';
  const [, digits] = (name === undefined ? /^\s*(\d+)\s*$/ : new RegExp(`^${name}:?\\s+(\\d+)`, 'm')).exec(text) ?? [];
  return digits === undefined ? null : Number(digits);
}
