import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { createHistory, type History } from './history.ts';
import { type Known, nothingKnown, withGap, withLine } from './known.ts';
import { parseLine, wholeRecordsIn } from './line.ts';

/** What a journal file holds, damaged or not. */
export type Reading = {
  readonly known: Known;
  /** The last lines that are whole. */
  readonly history: History;
  /** Damaged lines, as they are; of many, or long ones, the beginning. */
  readonly damaged: readonly Buffer[];
  /** How many bytes from the beginning are lines that end in a line feed. */
  readonly wholeBytes: number;
  /** How many after these are half a line: the end of a process, or a disk, that did not finish it. */
  readonly tornBytes: number;
  /** After these bytes there is a record that counts, though its line feed is missing: the file must be written anew. */
  readonly endsOpen: boolean;
};

const chunkBytes = 65_536;
/** No line of ours is near this. A damaged file may be one line. */
const maxLineBytes = 1_048_576;
const maxDamagedBytes = 262_144;

export function nothingRead(): Reading {
  const facts = { damaged: [], wholeBytes: 0, tornBytes: 0, endsOpen: false };
  return { known: nothingKnown, history: createHistory(), ...facts };
}

/**
 * Reads line after line, whatever the size of the file.
 *
 * @throws the system's error, also when there is no file
 */
export function readLines(path: string): Reading {
  const reading = { ...nothingRead(), damaged: [] as Buffer[] };
  let damagedBytes = 0;
  const take = (record: string): boolean => {
    const line = parseLine(record);
    if (line === null) return false;
    reading.known = withLine(reading.known, line);
    reading.history.push(`${record}\n`, line.at, line);
    return true;
  };
  const takeDamaged = (bytes: Buffer): void => {
    reading.known = withGap(reading.known);
    for (const record of wholeRecordsIn(bytes.toString())) take(record);
    if (damagedBytes < maxDamagedBytes) reading.damaged.push(bytes);
    damagedBytes += bytes.length;
  };

  for (const { bytes, sizeBytes, isWhole } of segmentsOf(path)) {
    if (isWhole) reading.wholeBytes += sizeBytes;
    const record = bytes.toString();
    const counts = record === '' || take(record);
    if (!counts && !isWhole && wholeRecordsIn(record).length === 0) reading.tornBytes = sizeBytes;
    else if (!counts) takeDamaged(bytes);
    reading.endsOpen = !isWhole && reading.tornBytes === 0;
  }
  return reading;
}

/** The pieces between line feeds; `sizeBytes` counts the line feed, and what of a monster was dropped. */
function* segmentsOf(path: string): Generator<{ bytes: Buffer; sizeBytes: number; isWhole: boolean }> {
  // A pipe by that name would keep us waiting for ever.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EINVAL' });
    const chunk = Buffer.allocUnsafe(chunkBytes);
    let pieces: Buffer[] = [];
    let sizeBytes = 0;
    const add = (piece: Buffer) => {
      if (sizeBytes < maxLineBytes) pieces.push(Buffer.from(piece));
      sizeBytes += piece.length;
    };
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
      let from = 0;
      for (let end = chunk.indexOf(10); end !== -1 && end < length; end = chunk.indexOf(10, from)) {
        add(chunk.subarray(from, end));
        yield { bytes: Buffer.concat(pieces), sizeBytes: sizeBytes + 1, isWhole: true };
        pieces = [];
        sizeBytes = 0;
        from = end + 1;
      }
      add(chunk.subarray(from, length));
    }
    if (sizeBytes > 0) yield { bytes: Buffer.concat(pieces), sizeBytes, isWhole: false };
  } finally {
    closeSync(file);
  }
}
