import {
  closeSync,
  fchmodSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type Faults, killSelf } from '../faults.ts';

/** The file of the journal, for writing. What returns is on disk; what throws has changed nothing that counts. */
export type JournalFile = {
  readonly sizeBytes: number;
  /** Throws if the file is not where it was, as it was: somebody has removed, moved or changed it. */
  check(): void;
  /**
   * Adds a line.
   *
   * @throws the system's error; half a line has been taken back, if the disk allowed that
   */
  append(line: string): void;
  /**
   * Puts a new file in the place of the old one, at once and whole. It needs nothing of the old one.
   *
   * @throws the system's error; the old file is then still there
   */
  replace(lines: readonly string[]): void;
  close(): void;
};

type Open = { readonly descriptor: number; readonly inode: number; sizeBytes: number };

/** @param wholeBytes - what of the present file is good; the rest is cut off before the first line is added */
export function createJournalFile(
  path: string,
  { wholeBytes, faults }: { wholeBytes: number; faults: Faults },
): JournalFile {
  let open: Open | null = null;

  function openToAppend(): Open {
    makeFolder(dirname(path));
    rmSync(besideOf(path), { force: true }); // of a run that was killed over it
    open = openFile(path);
    if (open.sizeBytes > wholeBytes) {
      ftruncateSync(open.descriptor, wholeBytes);
      open.sizeBytes = wholeBytes;
    }
    syncFolder(dirname(path));
    return open;
  }

  function forget(): void {
    if (open !== null) closeSync(open.descriptor);
    open = null;
  }

  return {
    get sizeBytes() {
      return open?.sizeBytes ?? 0;
    },
    check() {
      if (open !== null) checkPlace(open, path);
    },
    append(line) {
      const file = open ?? openToAppend();
      checkPlace(file, path);
      try {
        writeWhole(file.descriptor, line, faults);
      } catch (cause) {
        takeBack(file);
        throw cause;
      }
      fdatasyncSync(file.descriptor);
      file.sizeBytes += Buffer.byteLength(line);
      faults('journal.written');
    },
    replace(lines) {
      makeFolder(dirname(path));
      const next = writeBeside(path, lines.join(''), faults);
      forget();
      open = next;
      syncFolder(dirname(path));
      faults('journal.written');
    },
    close: forget,
  };
}

/** A new file, whole and on disk, which then takes the place of `path`. */
function writeBeside(path: string, content: string, faults: Faults): Open {
  const beside = besideOf(path);
  rmSync(beside, { force: true });
  const file = openFile(beside);
  try {
    writeWhole(file.descriptor, content, faults);
    fsyncSync(file.descriptor);
    faults('journal.rename');
    renameSync(beside, path);
    return { ...file, sizeBytes: Buffer.byteLength(content) };
  } catch (cause) {
    closeSync(file.descriptor);
    // It may be what fills the disk.
    rmSync(beside, { force: true });
    throw cause;
  }
}

function besideOf(path: string): string {
  return `${path}.new`;
}

function openFile(path: string): Open {
  const descriptor = openSync(path, 'a', 0o600);
  const { ino, size, mode } = fstatSync(descriptor);
  // The mode above is for new files; an old one may have been copied here.
  if ((mode & 0o777) !== 0o600) fchmodSync(descriptor, 0o600);
  return { descriptor, inode: ino, sizeBytes: size };
}

/** Somebody who removes, moves or empties the file would otherwise make us write where nobody will ever read. */
function checkPlace({ inode, sizeBytes }: Open, path: string): void {
  const found = statSync(path);
  if (found.ino !== inode || found.size !== sizeBytes) throw new Error('somebody else has changed the file');
}

/** Disks that are nearly full take a part, and refuse only the rest. */
function writeWhole(descriptor: number, content: string, faults: Faults): void {
  const bytes = Buffer.from(content);
  if (faults('journal.write') === 'torn') {
    writeSync(descriptor, bytes, 0, Math.floor(bytes.length / 2));
    killSelf();
  }
  for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written);
}

function takeBack({ descriptor, sizeBytes }: Open): void {
  try {
    ftruncateSync(descriptor, sizeBytes);
  } catch {
    // Then the next start cuts it off, or the next writing replaces the file.
  }
}

function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** So that the name of a new file survives, not only its content. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
