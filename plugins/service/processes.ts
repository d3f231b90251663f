import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** A process, named so that it is not mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In ticks since the boot. */
  readonly startedAt: string;
  readonly bootId: string;
}

const lookEveryMs = 25;
const killTakesMs = 2_000;

/** @param text - a boot id, and a line of /proc/PID/stat. @see proc(5) */
export function parseIdentity(text: string): ProcessIdentity | null {
  const [bootId = '', stat = ''] = text.split('\n');
  const startedAt = fieldsOf(stat)[19];
  return startedAt === undefined ? null : { bootId, pid: Number.parseInt(stat, 10), startedAt };
}

/** The dead whom nobody has buried are dead. */
export function isAlive(process: ProcessIdentity | null): boolean {
  if (process === null || process.bootId !== bootId()) return false;
  const [state = '', ...rest] = fieldsOf(read(`/proc/${process.pid}/stat`));
  return rest[18] === process.startedAt && !/[ZX]/.test(state);
}

export function signalTo(process: ProcessIdentity | null, signal: NodeJS.Signals): void {
  if (process !== null && isAlive(process)) send(process.pid, signal);
}

/**
 * Ends a process that leads a group, and its group: itself first, which may know how to end the others; then these, too;
 * KILL for all that is left after `graceMs`. Resolves when nothing is left.
 *
 * @throws the signal's reason when it aborts
 */
export async function endGroup(
  leader: ProcessIdentity | null,
  { stopSignal, graceMs, signal }: { stopSignal: NodeJS.Signals; graceMs: number; signal: AbortSignal },
): Promise<void> {
  if (leader === null) return;
  const endsAtMs = performance.now() + graceMs;
  signalTo(leader, stopSignal);
  await until(() => !isAlive(leader), endsAtMs, signal);
  if (membersOf(leader).length > 0 && !isAlive(leader)) send(-leader.pid, stopSignal);
  await until(() => membersOf(leader).length === 0, endsAtMs, signal);
  killGroup(leader);
  await until(() => membersOf(leader).length === 0, performance.now() + killTakesMs, signal);
}

/** Only for one that surely is ours: a child that nobody has waited for yet. */
export function signalToGroup(group: number | undefined, signal: NodeJS.Signals): void {
  if (group !== undefined) send(-group, signal);
}

export function killGroup(leader: ProcessIdentity | null): void {
  if (leader !== null && membersOf(leader).length > 0) send(-leader.pid, 'SIGKILL');
}

/** Those alive. While one is left, the system gives the number of the group to nobody else. */
function membersOf(leader: ProcessIdentity): number[] {
  if (leader.bootId !== bootId()) return [];
  const stats = new Map(processIds().map((pid) => [pid, fieldsOf(read(`/proc/${pid}/stat`))]));
  const heir = stats.get(leader.pid);
  if (heir !== undefined && heir[19] !== leader.startedAt) return [];
  const isMember = ([state = '', , group, session]: readonly string[]) =>
    !/[ZX]/.test(state) && Number(group) === leader.pid && Number(session) === leader.pid;
  return [...stats].filter(([, fields]) => isMember(fields)).map(([pid]) => pid);
}

function processIds(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** From the state on: the name before it may have any characters in it. */
function fieldsOf(stat: string): string[] {
  return stat === ''
    ? []
    : stat
        .slice(stat.lastIndexOf(')') + 2)
        .trim()
        .split(' ');
}

function bootId(): string {
  return read('/proc/sys/kernel/random/boot_id').trim();
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it is gone by now
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
  }
}

async function until(isSo: () => boolean, deadlineMs: number, signal: AbortSignal): Promise<void> {
  while (!isSo() && performance.now() < deadlineMs) {
    signal.throwIfAborted();
    await setTimeout(lookEveryMs);
  }
}
