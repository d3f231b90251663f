import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/** What is mounted where, as this process sees it. Bind mounts are among them, which no device number tells apart. */
export interface Mounts {
  /** Whether `path` is a mount point. */
  has(path: string): Promise<boolean>;
  /** Whether something is mounted below `path`, however deep. */
  hasBelow(path: string): Promise<boolean>;
}

/** The mounts of this moment; none where there is no /proc. */
export async function readMounts(): Promise<Mounts> {
  const lines = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const points = lines.split('\n').map((line) => unescaped(line.split(' ')[4] ?? ''));
  return {
    has: async (path) => points.includes(await realPathOf(path)),
    hasBelow: async (path) => {
      const start = join(await realPathOf(path), '/');
      return points.some((point) => point.startsWith(start) && point !== start);
    },
  };
}

async function realPathOf(path: string): Promise<string> {
  return await realpath(path).catch(() => path);
}

/** The kernel writes blanks, line feeds and backslashes as `\040`. */
function unescaped(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
