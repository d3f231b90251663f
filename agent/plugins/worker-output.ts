import type { Readable } from 'node:stream';
import { createLines } from '../hooks/lines.ts';
import type { Log } from '../log.ts';
import { createAllowance } from './allowance.ts';

const lineLimitBytes = 4 * 1024;
const linesPerSecond = 20;
const lineBurst = 500;

/** What a plugin prints becomes lines of our log, not too many of them. @param clean - takes the secrets out of a text */
export function logOutput(
  { stdout, stderr }: { readonly stdout: Readable; readonly stderr: Readable },
  { log, clean }: { readonly log: Log; readonly clean: (text: string) => string },
): void {
  for (const [stream, readable] of Object.entries({ stdout, stderr })) {
    const allowance = createAllowance(lineBurst, linesPerSecond);
    const lines = createLines(lineLimitBytes, (line) => {
      const suppressed = allowance.take();
      if (suppressed === null) return;
      const rest = suppressed === 0 ? {} : { suppressed };
      log.info({ event: 'plugin.output', stream, line: clean(line), ...rest }, 'plugin output');
    });
    readable.on('data', lines.take);
    readable.once('end', lines.end);
  }
}
