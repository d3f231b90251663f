import { setInterval } from 'node:timers/promises';
import { createTail, type Tail } from '../../plugins/log-publisher/tail.ts';
import type { Log } from '../log.ts';
import { createRateLimit } from '../rate-limit.ts';
import type { LogQueue } from './queue.ts';

export type Following = {
  /** It is known where each file ends: all that is written from then on is read. */
  readonly ready: Promise<void>;
  /** Reads what there still is, and closes the files. */
  end(): Promise<void>;
};

const lineBytes = 8_192;

/**
 * Reads files as they are written, from their present ends, whatever is done to them.
 *
 * @param options - `readBytes`: of all files, at one reading; what is written faster is left out; `onRead`: there may be new
 * lines
 */
export function followFiles(
  paths: readonly string[],
  options: { queue: LogQueue; readBytes: number; pollMs: number; onRead: () => void; log: Log },
): Following {
  const { queue, readBytes, pollMs, onRead, log } = options;
  // A share for each, so that a file that is flooded does not silence the others.
  const share = Math.ceil(readBytes / Math.max(1, paths.length));
  const limits = { lineBytes: Math.min(lineBytes, share), backlogBytes: share };
  const warn = (fields: object | string, message?: string) =>
    log.warn({ event: 'logs.unreadable', ...(typeof fields === 'string' ? {} : fields) }, message);
  const tails = paths.map((path) => createTail(path, { ...limits, log: { warn } }));
  const ending = new AbortController();
  const tellDropped = createComplaint(queue, log);

  const ready = Promise.all(tails.map((tail) => tail.open('end'))).then(() => {});
  const running = pollUntil(ending.signal);
  return {
    ready,
    async end() {
      ending.abort();
      await running;
    },
  };

  async function pollUntil(signal: AbortSignal): Promise<void> {
    await ready;
    try {
      for await (const _ of setInterval(pollMs, undefined, { signal })) await readAll();
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
      await readAll();
    } finally {
      await Promise.all(tails.map((tail) => tail.close()));
    }
  }

  async function readAll(): Promise<void> {
    await Promise.all(tails.map(readShare));
    tellDropped();
    onRead();
  }

  /** Who writes without an end is left for the next reading, and the others are looked at. */
  async function readShare(tail: Tail): Promise<void> {
    let leftBytes = share;
    const before = { ...tail.leftOut };
    await tail.read(({ text }) => {
      if (leftBytes <= 0) return false;
      leftBytes -= Buffer.byteLength(text) + 1;
      queue.add({ text, timestampMs: Date.now() });
      return true;
    });
    const { lines, bytes } = tail.leftOut;
    queue.leftOut({ lines: lines - before.lines, bytes: bytes - before.bytes });
  }
}

function createComplaint({ dropped }: LogQueue, log: Log): () => void {
  const mayLog = createRateLimit();
  let toldBytes = 0;
  return () => {
    const quota = dropped.bytes > toldBytes ? mayLog('dropped') : null;
    if (quota === null) return;
    toldBytes = dropped.bytes;
    log.warn({ event: 'logs.dropped', ...dropped, ...quota }, 'lines of log files are left out');
  };
}
