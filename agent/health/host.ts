import { cpus, freemem, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Memory, type Roots, readKernelFile, readKernelNumber } from './kernel-file.ts';

/** Of the whole machine; where there is no such file, as Node sees it. */
export function memoryOfHost({ proc }: Roots): Memory {
  const file = join(proc, 'meminfo');
  const totalKib = readKernelNumber(file, 'MemTotal');
  const availableKib = readKernelNumber(file, 'MemAvailable');
  if (totalKib === null || availableKib === null || totalKib === 0)
    return { usedBytes: totalmem() - freemem(), totalBytes: totalmem() };
  return { usedBytes: 1024 * (totalKib - availableKib), totalBytes: 1024 * totalKib };
}

/** Processes that run or wait to, on average of one minute. */
export function loadOfHost({ proc }: Roots): number {
  const load = Number.parseFloat(readKernelFile(join(proc, 'loadavg')) ?? '');
  return Number.isFinite(load) ? load : (loadavg()[0] ?? 0);
}

export function coresOfHost({ proc }: Roots): number {
  const count = (readKernelFile(join(proc, 'stat')) ?? '').match(/^cpu\d+ /gm)?.length ?? 0;
  return Math.max(1, count > 0 ? count : cpus().length);
}
