import { stripVTControlCharacters } from 'node:util';
import type { Log } from '../log.ts';
import { createLines } from './lines.ts';

/** What a script writes: lines of our log, as long as it keeps within bounds. */
export type Output = {
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** Logs what is left, and how much was dropped. */
  end(): void;
  /** The last line, on stderr if it wrote there: often the cause of a failure. */
  lastWords(): string;
};

type Stream = { take(chunk: Buffer): void; end(): void; lastLine(): string };

const outputLimitBytes = 64 * 1024;
const outputLimitLines = 500;
const lineLimitBytes = 4 * 1024;
const lastWordsLimit = 300;
const lineBreak = 10;

/** @param options - `clean`: takes the secrets out of a text */
export function createOutput(options: { log: Log; clean: (text: string) => string }): Output {
  const stdout = createStream('stdout', options);
  const stderr = createStream('stderr', options);
  return {
    stdout,
    stderr,
    end() {
      stdout.end();
      stderr.end();
    },
    lastWords: () => (stderr.lastLine() || stdout.lastLine()).slice(0, lastWordsLimit),
  };
}

function createStream(
  stream: 'stdout' | 'stderr',
  { log, clean }: { log: Log; clean: (text: string) => string },
): Stream {
  let takenBytes = 0;
  let loggedLines = 0;
  let droppedBytes = 0;
  let isMidLine = false;
  let lastLine = '';
  // Twice the limit, so that a secret that is cut in two by it is recognized first.
  const lines = createLines(2 * lineLimitBytes, (line) => {
    lastLine = readable(line);
    if (loggedLines === outputLimitLines) {
      droppedBytes += Buffer.byteLength(line);
      return;
    }
    loggedLines += 1;
    log.info({ event: 'hook.output', stream, line: lastLine }, 'hook output');
  });
  return {
    take(chunk) {
      const kept = chunk.subarray(0, outputLimitBytes - takenBytes);
      takenBytes += kept.length;
      lines.take(kept);
      if (kept.length < chunk.length) drop(chunk, chunk.length - kept.length);
      isMidLine = chunk.at(-1) !== lineBreak;
    },
    end() {
      if (takenBytes < outputLimitBytes) lines.end();
      if (droppedBytes === 0) return;
      log.warn({ event: 'hook.outputDropped', stream, droppedBytes }, 'hook says too much, the rest was dropped');
    },
    lastLine: () => lastLine,
  };

  /** Not logged, but a failure is told by how it ends. Whole lines only: half a secret is not recognized as one. */
  function drop(chunk: Buffer, bytes: number): void {
    droppedBytes += bytes;
    const tail = chunk.subarray(-2 * lineLimitBytes).toString();
    const [line = ''] = tail.trimEnd().split('\n').slice(-1);
    if (line.length < tail.trimEnd().length || (!isMidLine && tail.length === chunk.length)) lastLine = readable(line);
  }

  function readable(line: string): string {
    return stripVTControlCharacters(clean(line)).slice(0, lineLimitBytes);
  }
}

/** Takes the secrets out of what a script says: one `set -x`, and they would be in the log. */
export function cleanerOf(secrets: readonly string[]): (text: string) => string {
  const known = secrets.filter((secret) => secret.length >= 4);
  return (text) => known.reduce((cleaned, secret) => cleaned.replaceAll(secret, '[redacted]'), text);
}
