import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { AgentSilentError, askAgent } from './asks.ts';
import type { LockFolder } from './lock-folder.ts';

const Owner = z.object({ memberId: z.string(), pid: z.number() });
type Owner = z.infer<typeof Owner>;

/** A process that has its socket in the folder of a lock; `answer` is null where it gave none. */
export type Living = { readonly socketPath: string; readonly answer: Owner | null };

/** Long enough for an agent that is busy or about to end, short enough for whoever waits for the refusal. */
const patienceMs = 2_000;
const lookAgainMs = 20;

/**
 * Removes the sockets of dead processes. An owner is alive as long as its socket takes connections, and a process takes its
 * socket with it, however it ends: neither pids nor clocks have a say.
 *
 * @returns those that live
 */
export async function removeDead(folder: LockFolder, socketPaths: readonly string[]): Promise<Living[]> {
  const living: Living[] = [];
  for (const socketPath of socketPaths) {
    const found = await ask(socketPath);
    if (found === 'dead') folder.remove(socketPath);
    else living.push({ socketPath, answer: found });
  }
  return living;
}

/** One that takes the connection and then ends it is about to die: it is asked again, for a while. */
async function ask(socketPath: string): Promise<'dead' | Owner | null> {
  const deadline = performance.now() + patienceMs;
  for (let leftMs = patienceMs; leftMs > 0; leftMs = deadline - performance.now()) {
    try {
      return Owner.safeParse(await askAgent(socketPath, { ask: 'who' }, { timeoutMs: leftMs })).data ?? null;
    } catch (thrown) {
      const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
      if (['ECONNREFUSED', 'ENOENT', 'EPROTOTYPE'].includes(code)) return 'dead';
      if (!(thrown instanceof AgentSilentError) && !['EAGAIN', 'ECONNRESET', 'EPIPE'].includes(code)) throw thrown;
    }
    await pause(lookAgainMs);
  }
  return null;
}
