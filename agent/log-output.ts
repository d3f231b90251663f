import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** Where log lines go. Never throws. */
export type LogOutput = { write(line: string): void };

/** What cannot be written is kept up to this; the lines that come then are lost. */
const backlogLimitBytes = 1024 * 1024;
const soonMs = 20;
const lateMs = 1_000;
/** At the exit a reader that is merely slow gets this long to take what is left. */
const lastWordsMs = 1_000;
const lookAgainMs = 10;

/**
 * An output for a pipe or a socket whose reader may stand still: nothing here waits for it. What does not fit waits, up to
 * a limit; lines are whole, and in order.
 *
 * @param descriptor - where to
 * @param onLost - called once everything that waited is written, with how many lines were lost after it
 * @returns null for a file or a terminal: these take what they are given
 */
export function createPipeOutput(descriptor: number, onLost: (lines: number) => void): LogOutput | null {
  const pipe = withoutBlocking(descriptor);
  if (pipe === null) return null;
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let lost = 0;
  let isRetrying = false;
  let hasSaidGoodbye = false;

  /** @returns the code of what stopped it; null: all is written */
  function drain(): string | null {
    for (let [next] = waiting; next !== undefined; [next] = waiting) {
      const written = tryToWrite(pipe as number, next);
      if (typeof written === 'string') return written;
      waitingBytes -= written;
      if (written < next.length) waiting[0] = next.subarray(written);
      else waiting.shift();
    }
    if (lost === 0) return null;
    const lines = lost;
    lost = 0;
    onLost(lines);
    return drain();
  }

  function tryAgain(afterMs: number): void {
    if (isRetrying) return;
    isRetrying = true;
    setTimeout(() => {
      isRetrying = false;
      const before = waitingBytes;
      if (drain() !== null) tryAgain(waitingBytes < before ? soonMs : Math.min(lateMs, afterMs * 2));
    }, afterMs).unref();
  }

  /** Who is full may have room in a moment; who is gone does not come back. */
  function sayGoodbye(): void {
    const untilMs = performance.now() + lastWordsMs;
    while (drain() === 'EAGAIN' && performance.now() < untilMs) sleepSync(lookAgainMs);
  }

  return {
    write(line) {
      if (waiting.length > 0) drain();
      const bytes = Buffer.from(line);
      // Once one is lost the next ones are too, until all is written: so the gap is where `onLost` says it is.
      if (lost > 0 || (waiting.length > 0 && waitingBytes + bytes.length > backlogLimitBytes)) {
        lost += 1;
        return;
      }
      waiting.push(bytes);
      waitingBytes += bytes.length;
      if (waiting.length > 1 || drain() === null) return;
      tryAgain(soonMs);
      if (!hasSaidGoodbye) process.once('exit', sayGoodbye);
      hasSaidGoodbye = true;
    },
  };
}

/** @returns a descriptor to which a write never waits; null where there is nothing to wait for */
function withoutBlocking(descriptor: number): number | null {
  const kind = fstatSync(descriptor);
  if (!kind.isFIFO() && !kind.isSocket()) return null;
  try {
    // Our own way into the pipe: whether the one we were given waits is decided by all who share it.
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // A socket cannot be opened, nor a pipe of another user. Node makes its standard streams so when it is asked for them.
    void (descriptor === 2 ? process.stderr : process.stdout);
    return descriptor;
  }
}

/** @returns how many bytes, or the code of the error: nobody who logs is to hear of it */
function tryToWrite(descriptor: number, bytes: Buffer): number | string {
  try {
    return writeSync(descriptor, bytes);
  } catch (cause) {
    return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  }
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
