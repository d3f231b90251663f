import { readFileSync, writeFileSync } from 'node:fs';
import { lstat, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, type Log } from '../log.ts';
import { holdersOf } from './channels.ts';
import type { Reaper } from './reaper.ts';

/** In the private folder of a run: which process it is, for whoever finds the folder after our death. */
const processFile = 'process';

/** Never throws: without it, a script that outlives a killed agent is merely not ended by the next one. */
export function noteProcess(folder: string | null, pid: number | undefined): void {
  if (folder === null || pid === undefined) return;
  try {
    writeFileSync(join(folder, processFile), identityOf(pid), { mode: 0o600 });
  } catch {
    // A full disk.
  }
}

/**
 * Ends the scripts over which an earlier agent was killed, and removes their folders: nobody holds them to a time limit any
 * more, and one that is run again must not meet itself. What a script has left running that ended by itself stays. Never
 * throws.
 *
 * @param options - `parent`: where the folders are; `prefix`: begins the names of ours; `log`: gets one line per script
 */
export async function endInterrupted(options: {
  readonly parent: string;
  readonly prefix: string;
  readonly reaper: Reaper;
  readonly log: Log;
}): Promise<void> {
  const { parent, prefix, reaper, log } = options;
  const names = await readdir(parent).catch(() => []);
  const folders = names.filter((name) => name.startsWith(prefix)).map((name) => join(parent, name));
  await Promise.all(folders.map((folder) => endOne(folder, { reaper, log })));
}

async function endOne(folder: string, { reaper, log }: { reaper: Reaper; log: Log }): Promise<void> {
  try {
    // Anybody may make a folder of that name where temporary files are, and name a process in it that is none of ours.
    if ((await lstat(folder)).uid !== process.getuid?.()) return;
    for (const pid of await scriptsOf(folder)) {
      log.warn({ event: 'hook.interrupted', pid }, 'a hook outlived the agent that ran it, and is ended');
      await reaper.stop(pid);
    }
    await rm(folder, { recursive: true, force: true });
  } catch (thrown) {
    log.warn({ event: 'hook.leftover', folder, ...failure(thrown) }, 'cannot delete files of a hook');
  }
}

async function scriptsOf(folder: string): Promise<number[]> {
  const noted = await readFile(join(folder, processFile), 'utf8').catch(() => null);
  if (noted !== null && noted !== '') {
    const pid = Number.parseInt(noted, 10);
    return noted === identityOf(pid) ? [pid] : [];
  }
  // The kill came between its start and the note, so whoever leads a session and holds our pipes is the script.
  const holders = await holdersOf(folder);
  return holders.map(({ pid }) => pid).filter((pid) => statOf(pid)[3] === String(pid));
}

/** A pid alone is soon given to somebody else. @see proc(5), starttime, which counts from the boot */
function identityOf(pid: number): string {
  return `${pid} ${statOf(pid)[19] ?? 'gone'} ${readOrEmpty('/proc/sys/kernel/random/boot_id').trim()}`;
}

/** From the state on: the command before it may have any characters in it. */
function statOf(pid: number): string[] {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
