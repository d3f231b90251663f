import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

const everyMs = 20;
const graceMs = 500;
const limitMs = 5_000;

/**
 * Ends every process whose environment has an entry that `isMarked`, however deep in a tree or detached from it: asks,
 * so that git removes its locks, then kills. Resolves when none is left, or after 5 s when the kernel does not let one go.
 */
export async function endProcesses(isMarked: (entry: string) => boolean): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const processIds = await markedProcesses(isMarked);
    const elapsedMs = performance.now() - startedMs;
    if (processIds.length === 0 || elapsedMs > limitMs) return;

    for (const processId of processIds) send(processId, elapsedMs < graceMs ? 'SIGTERM' : 'SIGKILL');
    await pause(everyMs);
  }
}

async function markedProcesses(isMarked: (entry: string) => boolean): Promise<number[]> {
  // Without /proc there is nothing to look through; git itself has been told to stop by then.
  const names = await readdir('/proc').catch(() => []);
  const processIds = names.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).map(Number);
  const marked = await Promise.all(
    processIds.map(async (processId) => (await environmentOf(processId)).split('\0').some(isMarked)),
  );
  return processIds.filter((_, index) => marked[index]);
}

/** Empty for processes of other users, and for those that have ended meanwhile. */
async function environmentOf(processId: number): Promise<string> {
  return await readFile(`/proc/${processId}/environ`, 'utf8').catch(() => '');
}

function send(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch {
    // It has ended between the look and the signal, which is what was wanted.
  }
}
