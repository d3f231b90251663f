import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { AgentError, reasonOf } from '../state/errors.ts';
import { AgentSilentError, type Answer, answerAsks, askAgent } from './asks.ts';
import { type Contender, type LockFolder, lockFolder } from './lock-folder.ts';
import { failure, type Log } from './log.ts';

/** Who holds a `state.dir`. */
export type Identity = { readonly memberId: string; readonly runId: string; readonly pid: number };

/** The right to be the only agent of a `state.dir`, for as long as this process lives. */
export type Claim = {
  /** Listens at `state.dir/control.sock`; null: the folder could not be claimed, and the agent goes on without. */
  readonly server: Server | null;
  /** Answers what is asked there, but for `{"ask":"who"}`, which is answered here. */
  onAsk(answer: Answer): void;
  release(): Promise<void>;
};

/** Another agent runs on this `state.dir`. */
export class StateDirTakenError extends AgentError {
  override readonly name = 'StateDirTakenError';
  readonly code = 'STATE_DIR_TAKEN';
  readonly remedy = 'Stop the other agent first, or give this one a state.dir of its own.';
}

/** Nothing keeps a second agent from this `state.dir`, and `status` cannot reach this one. */
export class StateDirUnclaimedError extends AgentError {
  override readonly name = 'StateDirUnclaimedError';
  readonly code = 'STATE_DIR_NOT_CLAIMED';
  readonly remedy = 'Make state.dir a folder this user may write to, with space left, and start the agent again.';
}

/** Long enough for an agent that is busy or about to end, short enough for whoever waits for the refusal. */
const patienceMs = 2_000;
const lookAgainMs = 20;

const Owner = z.object({ memberId: z.string(), pid: z.number() });

/**
 * Makes this process the only agent of `stateDir`, among all that see the folder, in whatever container they are. Neither
 * pids nor clocks have a say: an owner is alive as long as its socket takes connections, and a process takes its socket
 * with it, however it ends.
 *
 * @throws {StateDirTakenError} if another agent has it; one that does not answer is alive too
 */
export async function claimStateDir(
  stateDir: string,
  { identity, log }: { identity: Identity; log: Log },
): Promise<Claim> {
  const folder = lockFolder(stateDir);
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    await refuseIfTaken(folder, stateDir);
    return await contend(folder, { stateDir, identity, log });
  } catch (cause) {
    if (cause instanceof StateDirTakenError) throw cause;
    const facts = { stateDir };
    const error = new StateDirUnclaimedError(`cannot claim ${stateDir}: ${reasonOf(cause)}`, { cause, facts });
    log.error({ event: 'lock.failed', ...failure(error) }, 'going on without a lock on state.dir');
    return { server: null, onAsk: () => {}, release: async () => {} };
  }
}

async function contend(
  folder: LockFolder,
  { stateDir, identity, log }: { stateDir: string; identity: Identity; log: Log },
): Promise<Claim> {
  await using started = new AsyncDisposableStack(); // undone unless we become the owner
  const server = createServer({ allowHalfOpen: true });
  let others: Answer = async () => ({ error: { code: 'AGENT_STARTING', message: 'the agent is starting' } });
  const answer: Answer = (ask) => ('ask' in ask && ask.ask === 'who' ? Promise.resolve(identity) : others(ask));
  const hangUp = answerAsks(server, answer, log);
  started.defer(() => close(server, hangUp));

  const contender = await folder.prepare(server, identity.pid);
  started.defer(() => contender.moveOut());
  while (!contender.moveIn()) await refuseIfTaken(folder, stateDir);
  publish(contender, log);
  await removeDead(folder, folder.leftovers());

  const undo = started.move();
  return {
    server,
    onAsk(handler) {
      others = handler;
    },
    release: () => undo.disposeAsync(),
  };
}

/** The lock holds without it; only `status` then has to read the journal. */
function publish(contender: Contender, log: Log): void {
  try {
    contender.publish();
  } catch (thrown) {
    log.warn({ event: 'lock.notPublished', ...failure(thrown) }, 'there is no control.sock');
  }
}

/** Removes the dead from the folder. */
async function refuseIfTaken(folder: LockFolder, stateDir: string): Promise<void> {
  for (const owner of await removeDead(folder, folder.owners())) {
    const { memberId, pid } = owner.answer ?? { memberId: null, pid: pidIn(owner.socketPath) };
    const who = memberId === null ? 'an agent that does not answer' : `the agent of member ${memberId}`;
    throw new StateDirTakenError(`cannot use ${stateDir}, ${who} runs there, pid ${pid}`, {
      facts: { stateDir, memberId, pid },
    });
  }
}

type Living = { readonly socketPath: string; readonly answer: z.infer<typeof Owner> | null };

/** @returns those that live; `answer` is null where there was none */
async function removeDead(folder: LockFolder, socketPaths: readonly string[]): Promise<Living[]> {
  const living: Living[] = [];
  for (const socketPath of socketPaths) {
    const found = await ask(socketPath);
    if (found === 'dead') folder.remove(socketPath);
    else living.push({ socketPath, answer: found });
  }
  return living;
}

/** One that takes the connection and then ends it is about to die: it is asked again, for a while. */
async function ask(socketPath: string): Promise<'dead' | z.infer<typeof Owner> | null> {
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

function pidIn(socketPath: string): number {
  return Number.parseInt(basename(socketPath), 10);
}

async function close(server: Server, hangUp: () => void): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  hangUp();
  await closed;
}
