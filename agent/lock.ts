import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { basename } from 'node:path';
import { AgentError, reasonOf } from '../state/errors.ts';
import { type Answer, answerAsks } from './asks.ts';
import { type Contender, type LockFolder, lockFolder } from './lock-folder.ts';
import { removeDead } from './lock-owners.ts';
import { failure, type Log } from './log.ts';

/** Who holds a `state.dir`. */
export type Identity = { readonly memberId: string; readonly runId: string; readonly pid: number };

/** The right to be the only agent of a `state.dir`, for as long as this process lives. */
export type Claim = {
  /** Listens at `state.dir/control.sock`; null: the folder cannot be claimed yet, and the agent goes on without. */
  readonly server: Server | null;
  /** There is no lock in the folder at present; it is tried again and again. */
  readonly failed: boolean;
  /** Answers what is asked there, but for `{"ask":"who"}`, which is answered here. */
  onAsk(answer: Answer): void;
  /** Calls with each change of `failed`; what it is now it does not tell. */
  onFailure(listener: (failed: boolean) => void): void;
  /** Calls when the lock was not there any more, and the folder is claimed again: what else was in it may be gone too. */
  onReclaimed(listener: () => void): void;
  /** Rejects with {@link StateDirTakenError} once another agent has got the folder while the lock was not there. */
  readonly taken: Promise<never>;
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
  readonly remedy = 'Make state.dir a folder this user may write to, with space left; it is tried again by itself.';
}

const lookEveryMs = 5_000;

/**
 * Makes this process the only agent of `stateDir`. A folder that cannot be claimed is tried again every few seconds, and
 * so is one that somebody has emptied, moved or covered since.
 *
 * @param options - `everyMs`: how often it is looked at
 * @throws {StateDirTakenError} if another agent has it; one that does not answer is alive too
 */
export async function claimStateDir(
  stateDir: string,
  { identity, log, everyMs = lookEveryMs }: { identity: Identity; log: Log; everyMs?: number },
): Promise<Claim> {
  const listeners: ((failed: boolean) => void)[] = [];
  const reclaimed: (() => void)[] = [];
  const taken = Promise.withResolvers<never>();
  taken.promise.catch(() => {}); // nobody may have come to wait for it
  const told = createTeller({ stateDir, log, listeners });
  let others: Answer = async () => ({ error: { code: 'AGENT_STARTING', message: 'the agent is starting' } });
  const answer: Answer = (ask) => ('ask' in ask && ask.ask === 'who' ? Promise.resolve(identity) : others(ask));
  let hold: Hold | null = null;

  async function look(): Promise<void> {
    try {
      if (!hold?.isInPlace()) await take();
    } catch (cause) {
      // It was uncovered while we were about to take it again: the other one we met is ourselves.
      const isOurs = hold?.isInPlace() ?? false;
      if (cause instanceof StateDirTakenError && !isOurs) throw cause;
      if (!isOurs) return told.failed(cause);
    }
    told.held();
    told.published(hold);
  }

  async function take(): Promise<void> {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const former = hold;
    hold = await contend(stateDir, { identity, answer, log });
    // Until now it has listened on: whoever covers a folder may uncover it.
    await former?.release();
    if (former === null) return;
    log.warn({ event: 'lock.reclaimed', stateDir }, 'somebody has emptied or moved state.dir: claimed again');
    for (const listener of reclaimed) listener();
  }

  await look();
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= look()
      .catch((cause) => {
        clearInterval(timer);
        taken.reject(cause);
      })
      .finally(() => {
        looking = null;
      });
  }, everyMs).unref();
  return {
    get server() {
      return hold?.server ?? null;
    },
    get failed() {
      return told.hasFailed;
    },
    onAsk(handler) {
      others = handler;
    },
    onFailure: (listener) => void listeners.push(listener),
    onReclaimed: (listener) => void reclaimed.push(listener),
    taken: taken.promise,
    async release() {
      clearInterval(timer);
      await looking;
      await hold?.release();
      hold = null;
    },
  };
}

/** A lock that was won. */
type Hold = {
  readonly server: Server;
  /** Whoever looks into the folder finds us there. */
  isInPlace(): boolean;
  /** Makes the socket known where `status` looks for it, unless it is. Throws the system's error. */
  publish(): void;
  /** Never throws: what cannot be removed is dead, and whoever comes next removes it. */
  release(): Promise<void>;
};

/**
 * Makes this process the owner of `stateDir`, among all that see the folder, in whatever container they are. Neither
 * pids nor clocks have a say: an owner is alive as long as its socket takes connections, and a process takes its socket
 * with it, however it ends.
 *
 * @throws {StateDirTakenError} if another agent has it, one that does not answer is alive too; the system's error
 */
async function contend(
  stateDir: string,
  { identity, answer, log }: { identity: Identity; answer: Answer; log: Log },
): Promise<Hold> {
  const folder = lockFolder(stateDir);
  await refuseIfTaken(folder, stateDir);
  await using started = new AsyncDisposableStack(); // undone unless we become the owner
  const server = createServer({ allowHalfOpen: true });
  const hangUp = answerAsks(server, answer, log);
  started.defer(() => close(server, hangUp));

  const contender: Contender = await folder.prepare(server, identity.pid);
  started.defer(() => moveOut(contender, log));
  while (!contender.moveIn()) await refuseIfTaken(folder, stateDir);
  await removeDead(folder, folder.leftovers());

  const { isInPlace, publish } = contender;
  const undo = started.move();
  return { server, isInPlace, publish, release: () => undo.disposeAsync() };
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

function pidIn(socketPath: string): number {
  return Number.parseInt(basename(socketPath), 10);
}

function moveOut(contender: Contender, log: Log): void {
  try {
    contender.moveOut();
  } catch (thrown) {
    // The disk has become read-only, perhaps: no reason for an agent that ends to end badly.
    log.debug({ event: 'lock.leftBehind', ...failure(thrown) }, 'cannot remove the lock');
  }
}

async function close(server: Server, hangUp: () => void): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  hangUp();
  await closed;
}

/** Says each trouble once, and its end. */
function createTeller(to: { stateDir: string; log: Log; listeners: readonly ((failed: boolean) => void)[] }) {
  const { stateDir, log, listeners } = to;
  let failedWith: string | null = null;
  let isPublished = true;
  return {
    get hasFailed() {
      return failedWith !== null;
    },
    failed(cause: unknown) {
      const isNew = failedWith === null;
      const reason = reasonOf(cause);
      const error = new StateDirUnclaimedError(`cannot claim ${stateDir}: ${reason}`, { cause, facts: { stateDir } });
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : reason;
      if (failedWith !== code)
        log.error({ event: 'lock.failed', ...failure(error) }, 'going on without a lock on state.dir');
      failedWith = code;
      if (isNew) for (const listener of listeners) listener(true);
    },
    held() {
      if (failedWith === null) return;
      failedWith = null;
      log.info({ event: 'lock.recovered', stateDir }, 'state.dir is claimed');
      for (const listener of listeners) listener(false);
    },
    /** The lock holds without it; only `status` then has to read the journal. */
    published(hold: Hold | null) {
      try {
        hold?.publish();
        isPublished = true;
      } catch (thrown) {
        if (isPublished) log.warn({ event: 'lock.notPublished', ...failure(thrown) }, 'there is no control.sock');
        isPublished = false;
      }
    },
  };
}
