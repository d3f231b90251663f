import { constants } from 'node:fs';
import { type FileHandle, open as openFile, stat } from 'node:fs/promises';
import type { PluginLog } from 'cartridge-agent/plugin';

export interface Line {
  readonly text: string;
  /** There is more of it in the file, which is left out. */
  readonly isCut: boolean;
  /** How much before it was left out, because too much was written at once. */
  readonly skippedBytes: number;
}

/** False: not now. It is offered again at the next reading. */
export type TakeLine = (line: Line) => boolean;

/** Follows one file by its path, whatever is done to it. */
export interface Tail {
  /** What was written, and never handed on, since it is followed: whole lines, and all bytes. */
  readonly leftOut: { readonly lines: number; readonly bytes: number };
  /** @param from - of a file that is there: its end, or its start because it is new */
  open(from: 'start' | 'end'): Promise<void>;
  /** Hands on the lines that are new and whole. Never rejects. */
  read(take: TakeLine): Promise<void>;
  close(): Promise<void>;
}

const chunkBytes = 64 * 1024;
const countedBytes = 1024 * 1024;
/** Enough to see that what was before our place has changed. */
const markBytes = 64;
const newline = 10;
/** After this, a file that is not there is told: its path may be misspelt. */
const missingMs = 60_000;

/**
 * @param options - `lineBytes`: longer lines are cut; `backlogBytes`: when there is more to read, the oldest half of it is
 * left out
 */
export function createTail(
  path: string,
  { lineBytes, backlogBytes, log }: { lineBytes: number; backlogBytes: number; log: Pick<PluginLog, 'warn'> },
): Tail {
  let file: FileHandle | null = null;
  /** Where the next line begins, and what is written before it. */
  let place = 0;
  let mark: Buffer = Buffer.alloc(0);
  /** In a line of which the rest is left out; of a cut one, its beginning is not. */
  let skipping: 'nothing' | 'a cut line' | 'a lost line' = 'nothing';
  let skippedBytes = 0;
  const leftOut = { lines: 0, bytes: 0 };
  let told = '';
  let missingSinceMs: number | null = null;

  return { leftOut, open, read, close };

  async function open(from: 'start' | 'end'): Promise<void> {
    try {
      // Not waiting for whoever would write to a pipe.
      file = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const stats = await file.stat();
      if (!stats.isFile()) throw new Error('it is not a file');
      await goTo(from === 'end' ? stats.size : 0);
      skipFromHere();
      told = '';
      missingSinceMs = null;
    } catch (thrown) {
      await close();
      tell((thrown as Error).message, (thrown as NodeJS.ErrnoException).code === 'ENOENT' && !isOverdue());
    }
  }

  async function read(take: TakeLine): Promise<void> {
    try {
      if (file === null) await open('start'); // it was not there, so all of it is new
      if (file === null) return;
      await noticeTruncation(file);
      await leaveOut(file);
      const from = place;
      const isAll = await handOn(file, take);
      // Whoever writes goes on in a renamed file until told of the new one: it is left once it is quiet.
      if (!isAll || place !== from || (await isInPlace(file))) return;
      if (!(await handOn(file, take))) return; // written just before it was renamed
      await handOnEnd(file, take);
      await close();
      await open('start');
      if (file !== null) await handOn(file, take);
    } catch (thrown) {
      tell((thrown as Error).message);
      await close();
    }
  }

  /** True at the end of the file; false when no more was taken. */
  async function handOn(from: FileHandle, take: TakeLine): Promise<boolean> {
    for (;;) {
      const seen = await bytesAt(from, place - mark.length, mark.length + Math.max(chunkBytes, lineBytes + 1));
      // Emptied and written anew in this moment: at our place is the middle of a line.
      if (!seen.subarray(0, mark.length).equals(mark)) {
        await startAnew();
        continue;
      }
      const chunk = seen.subarray(mark.length);
      const { usedBytes, isTaken } = handOnChunk(chunk, take);
      // Not read again: it may be other text by now.
      mark = Buffer.from(seen.subarray(0, mark.length + usedBytes).subarray(-markBytes));
      place += usedBytes;
      if (!isTaken) return false;
      if (usedBytes === 0) return true;
    }
  }

  function handOnChunk(chunk: Buffer, take: TakeLine): { usedBytes: number; isTaken: boolean } {
    let usedBytes = 0;
    while (usedBytes < chunk.length) {
      const end = chunk.indexOf(newline, usedBytes);
      const length = (end === -1 ? chunk.length : end) - usedBytes;
      if (skipping !== 'nothing') skip(end === -1 ? length : length + 1, { isEnd: end !== -1 });
      else if (end === -1 && length <= lineBytes)
        break; // not whole yet
      else if (!handOnLine(chunk.subarray(usedBytes, usedBytes + length), take)) return { usedBytes, isTaken: false };
      else {
        leftOut.bytes += Math.max(0, length - lineBytes);
        skipping = end === -1 ? 'a cut line' : 'nothing';
      }
      usedBytes += end === -1 ? length : length + 1;
    }
    return { usedBytes, isTaken: true };
  }

  function handOnLine(bytes: Buffer, take: TakeLine): boolean {
    const isCut = bytes.length > lineBytes;
    const text = bytes.subarray(0, lineBytes).toString().replace(/\r$/, '');
    if (text !== '' && !take({ text, isCut, skippedBytes })) return false;
    if (text !== '') skippedBytes = 0;
    return true;
  }

  /** Nobody will end the last line of a file that is left. */
  async function handOnEnd(from: FileHandle, take: TakeLine): Promise<void> {
    const rest = await bytesAt(from, place, lineBytes);
    if (rest.length > 0 && skipping === 'nothing') handOnLine(rest, take);
  }

  /** Smaller than it was, or with other text before our place: it was emptied, and is written anew. */
  async function noticeTruncation(from: FileHandle): Promise<void> {
    const before = await bytesAt(from, place - mark.length, mark.length);
    if (!before.equals(mark)) await startAnew();
  }

  async function startAnew(): Promise<void> {
    await goTo(0);
    skipping = 'nothing';
  }

  /** Who is too far behind goes on with what is newer. */
  async function leaveOut(from: FileHandle): Promise<void> {
    const { size } = await from.stat();
    if (size - place <= backlogBytes) return;
    const next = size - Math.floor(backlogBytes / 2);
    skippedBytes += next - place;
    leftOut.bytes += next - place;
    const ends = await countLines(from, place, next);
    // Of a line that was cut, the beginning has been handed on.
    leftOut.lines += skipping === 'a cut line' && ends > 0 ? ends - 1 : ends;
    await goTo(next);
    skipFromHere();
  }

  function skipFromHere(): void {
    skipping = place > 0 && mark.at(-1) !== newline ? 'a lost line' : 'nothing';
  }

  function skip(bytes: number, { isEnd }: { isEnd: boolean }): void {
    leftOut.bytes += bytes;
    if (!isEnd) return;
    if (skipping === 'a lost line') leftOut.lines += 1;
    skipping = 'nothing';
  }

  async function isInPlace(from: FileHandle): Promise<boolean> {
    const [ours, theirs] = await Promise.all([from.stat(), stat(path).catch(() => null)]);
    // Gone, and there is no new one yet: whoever writes still has this one.
    return theirs === null || (ours.ino === theirs.ino && ours.dev === theirs.dev);
  }

  async function goTo(position: number): Promise<void> {
    const length = Math.min(position, markBytes);
    mark = file === null ? Buffer.alloc(0) : await bytesAt(file, position - length, length);
    place = position;
  }

  async function close(): Promise<void> {
    await file?.close().catch(() => {});
    file = null;
  }

  /** Files that services write come with the service. */
  function isOverdue(): boolean {
    missingSinceMs ??= performance.now();
    return performance.now() - missingSinceMs > missingMs;
  }

  /** Once for each reason: it is looked at every second. */
  function tell(reason: string, isExpected = false): void {
    if (isExpected || reason === told) return;
    log.warn({ path, reason }, 'file cannot be followed');
    told = reason;
  }
}

async function countLines(file: FileHandle, from: number, to: number): Promise<number> {
  let count = 0;
  for (let position = from; position < to; ) {
    const chunk = await bytesAt(file, position, Math.min(countedBytes, to - position));
    if (chunk.length === 0) break; // it has become shorter
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, end + 1)) count += 1;
    position += chunk.length;
  }
  return count;
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
