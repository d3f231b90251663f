import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { holdersOf } from './channels.ts';

/** Sees to the processes a hook leaves behind. What it is asked for goes on by itself, and need not be awaited. */
export type Reaper = {
  /** Asks a process group to end, kills it after a while, and resolves when it is gone or cannot be ended. */
  stop(group: number): Promise<void>;
  /**
   * Sees to it that what holds our `ends` in a moment from now can go on talking when the agent is gone, and tells `log`
   * which processes those are: they hold a pipe that was made in `folder`.
   */
  leave(ends: readonly Socket[], options: { folder: string | null; log: Log }): void;
  /** Shortens the while, for the groups asked already too, and resolves when all that was asked for is done. */
  hurry(): Promise<void>;
};

/** `daemon > /dev/null &` holds the pipe for a moment, too: between its fork and its redirection. */
const redirectionTakesMs = 300;
const lookEveryMs = 25;
const killTakesMs = 1_000;

/** @param options - `graceMs`: from TERM to KILL; `hurriedGraceMs`: the same when the agent itself is on its way out */
export function createReaper(options: { log: Log; graceMs: number; hurriedGraceMs: number }): Reaper {
  const { log, graceMs, hurriedGraceMs } = options;
  const ongoing = new Set<Promise<void>>();
  let hurriedAtMs = Number.POSITIVE_INFINITY;
  return {
    stop: (group) => own(stop(group)),
    leave(ends, holders) {
      own(leave(ends, holders)).catch((err: unknown) => log.warn({ event: 'hook.unnamed', err }, 'cannot look'));
    },
    async hurry() {
      hurriedAtMs = Math.min(hurriedAtMs, performance.now());
      await Promise.allSettled(ongoing);
    },
  };

  function own(work: Promise<void>): Promise<void> {
    const done = work.finally(() => ongoing.delete(done));
    ongoing.add(done);
    return done;
  }

  async function stop(group: number): Promise<void> {
    signalTo(group, 'SIGTERM');
    const askedAtMs = performance.now();
    const killAtMs = () => Math.min(askedAtMs + graceMs, Math.max(askedAtMs, hurriedAtMs) + hurriedGraceMs);
    if (await isGoneBy(group, killAtMs)) return;
    signalTo(group, 'SIGKILL');
    const killedAtMs = performance.now();
    if (await isGoneBy(group, () => killedAtMs + killTakesMs)) return;
    log.error({ event: 'hook.unkillable', group }, 'processes of a hook cannot be ended');
  }
}

async function leave(ends: readonly Socket[], { folder, log }: { folder: string | null; log: Log }): Promise<void> {
  // At once: the agent may be killed in the next moment.
  const readers = ends.filter((end) => !end.readableEnded && !end.destroyed).map(handOver);
  await setTimeout(redirectionTakesMs);
  const all = folder === null ? [] : await holdersOf(folder);
  const holders = all.filter(({ pid }) => !readers.includes(pid));
  if (holders.length === 0) return;
  const remedy = 'Redirect the output of what the script leaves running: nobody reads it.';
  log.warn({ event: 'hook.outputHeld', holders, remedy }, 'processes of a hook hold its output open');
}

/**
 * Whoever writes into a pipe without a reader is killed; this reader outlives us, and ends with the last writer.
 * Returns its process id.
 */
function handOver(end: Socket): number | undefined {
  const reader = spawn('cat', [], { stdio: [end, 'ignore', 'ignore'], detached: true });
  reader.once('error', () => {}); // then we go on reading, as long as we live
  reader.once('spawn', () => {
    reader.unref();
    end.destroy();
  });
  return reader.pid;
}

async function isGoneBy(group: number, deadlineMs: () => number): Promise<boolean> {
  while (isAlive(group)) {
    const leftMs = deadlineMs() - performance.now();
    if (leftMs <= 0) return false;
    await setTimeout(Math.min(lookEveryMs, leftMs));
  }
  return true;
}

/** The dead nobody has buried (a container without an init process) still count as a group for the kernel; not for us. */
function isAlive(group: number): boolean {
  if (!signalTo(group, 0)) return false;
  return readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && isLivingMember(pid, group));
}

function isLivingMember(pid: string, group: number): boolean {
  try {
    // pid (command) state parent group ...: only the last closing parenthesis ends the command
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, , memberOf] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(memberOf) === group && state !== 'Z' && state !== 'X';
  } catch {
    return false; // it is gone by now
  }
}

/** Whether there is such a group. One that is not ours to signal is there, too. */
function signalTo(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
