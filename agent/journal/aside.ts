import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Faults } from '../faults.ts';
import { syncFolder } from './file.ts';

/** So many are kept of either kind; the oldest goes first. */
const keptFiles = 10;

/**
 * Moves a journal that must not be read on, or cannot, into `state.dir/set-aside`. No secrets are in its new name: that of the
 * member as a hash.
 *
 * @returns where it is now
 * @throws the system's error; the journal is then where it was
 */
export function setAside(path: string, { memberId, faults }: { memberId: string | null; faults: Faults }): string {
  const folder = makeFolder(join(dirname(path), 'set-aside'));
  const whose = memberId === null ? 'unreadable' : createHash('sha256').update(memberId).digest('hex').slice(0, 12);
  const place = join(folder, `journal-${whose}-${uniqueTime()}`);
  faults('journal.rename');
  renameSync(path, place);
  syncFolder(folder);
  syncFolder(dirname(path));
  prune(folder, place);
  return place;
}

/**
 * Keeps damaged lines for whoever wants to know what was in them, in `state.dir/quarantine`.
 *
 * @returns where they are now
 * @throws the system's error
 */
export function quarantine(stateDir: string, damaged: readonly Buffer[]): string {
  const folder = makeFolder(join(stateDir, 'quarantine'));
  const place = join(folder, uniqueTime());
  const content = Buffer.concat(damaged.flatMap((bytes) => [bytes, Buffer.from('\n')]));
  writeFileSync(place, content, { mode: 0o600, flag: 'wx', flush: true });
  syncFolder(folder);
  prune(folder, place);
  return place;
}

function makeFolder(folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Sorts by time, is a file name everywhere, and differs even when the clock stands still. */
function uniqueTime(): string {
  return `${new Date().toISOString().replaceAll(':', '-')}-${randomBytes(3).toString('hex')}`;
}

/** By the time in the name, for that of the file may come from a copy. */
function prune(folder: string, newest: string): void {
  const timeIn = (name: string) => name.slice(-'2026-11-21T00-00-00.000Z-000000'.length);
  const older = readdirSync(folder).filter((name) => join(folder, name) !== newest);
  const tooMany = older.sort((a, b) => timeIn(a).localeCompare(timeIn(b))).slice(0, 1 - keptFiles);
  for (const name of tooMany) rmSync(join(folder, name), { recursive: true, force: true });
}
