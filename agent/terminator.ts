import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { reasonOf } from '../state/errors.ts';
import type { Log } from './log.ts';

/** The originals looked once a minute. */
const usuallyMs = 1_000;
/** What holds a word is not larger. */
const limitBytes = 1_024;

/**
 * How an original agent is asked to stop: somebody writes `true` into terminator.txt in its home. It is the agent that
 * stops, not the instance. One that says so already at the start counts, too, as it did for them.
 *
 * @returns a signal that is aborted with `terminator.txt` as its reason; it looks until `signal` is aborted
 * @see protocol.md 12
 */
export function watchTerminator(
  home: string,
  { log, signal, everyMs = usuallyMs }: { log: Log; signal: AbortSignal; everyMs?: number },
): AbortSignal {
  const asked = new AbortController();
  const file = join(home, 'terminator.txt');
  lookUntilTrue(file, everyMs, signal).then(
    () => {
      const remedy = 'Empty the file, or remove it, before the agent is started again.';
      log.warn({ event: 'agent.terminator', file, remedy }, 'asked to stop by terminator.txt');
      asked.abort('terminator.txt');
    },
    (error: unknown) => {
      if (!signal.aborted)
        log.debug({ event: 'agent.terminator', file, reason: reasonOf(error) }, 'no longer looked at');
    },
  );
  return asked.signal;
}

async function lookUntilTrue(file: string, everyMs: number, signal: AbortSignal): Promise<void> {
  if (await saysTrue(file)) return;
  for await (const _ of setInterval(everyMs, undefined, { signal, ref: false })) if (await saysTrue(file)) return;
}

/** A file that is not there, cannot be read, or would never end asks for nothing. */
async function saysTrue(file: string): Promise<boolean> {
  try {
    const { size } = await stat(file).then((found) => (found.isFile() ? found : { size: 0 }));
    if (size === 0 || size > limitBytes) return false;
    return (
      (await readFile(file, 'utf8'))
        .replace(/^\uFEFF/, '')
        .trim()
        .toLowerCase() === 'true'
    );
  } catch {
    return false;
  }
}
