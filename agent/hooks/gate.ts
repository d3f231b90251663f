import { setTimeout } from 'node:timers/promises';
import { AgentError } from '../../state/errors.ts';
import { failure, type Log } from '../log.ts';
import type { Executable } from './executables.ts';
import type { RunEnd } from './run.ts';

/** How a gate ended. `degraded`: passed, but somebody should look, and at what. */
export type GateOutcome =
  | { readonly kind: 'passed'; readonly degraded?: string }
  | {
      readonly kind: 'blocked';
      readonly by: Refusal['by'];
      readonly hook: string;
      /** The one that said no: `artifactUpdated/90-warm`. */
      readonly executable: string;
      readonly reason: string;
    };

/** What a gate says while it is waited for. `held` and `retrying` are about what happens next, `status` is its own word. */
export type GateStatus = {
  readonly kind: 'status' | 'held' | 'retrying';
  readonly executable: string;
  readonly text: string;
};

/** Delays and limits of all gates, in milliseconds. */
export type GateTiming = {
  /** For a gate without a budget: how long it may be held. Below the 15 minutes after which the platform gives up. */
  readonly holdLimitMs: number;
  /** Until a hold is asked again, if it does not say. */
  readonly holdDelayMs: number;
  /** Before each retry of a failure; as many as there are. */
  readonly retryDelaysMs: readonly number[];
};

/** A hook has failed for good. */
export class HookFailedError extends AgentError {
  override readonly name = 'HookFailedError';
  readonly code = 'HOOK_FAILED';
  readonly remedy = 'Read its output in the log, correct the script or what it complains about, and let it run again.';

  constructor(hook: string, executable: string, reason: string) {
    super(`cannot pass ${executable}: ${reason}`, { facts: { hook, executable, reason } });
  }
}

/** `cannotRun`: it was not even started, and will not be until a person does something about it. */
export type Asked = RunEnd | { readonly kind: 'cannotRun'; readonly error: AgentError };

/** One gate, at one moment. */
export type Gate = {
  readonly hook: string;
  readonly executables: readonly Executable[];
  /** Leaving must always be possible: what fails is recorded and passed over, and nothing is retried. */
  readonly isLeaving: boolean;
  /** Over everything, holds and runs; null: holds have their own limit, and so has each run. */
  readonly budgetMs: number | null;
  /** Counted from 1; more if the agent was interrupted in an earlier one. */
  readonly firstAttempt: number;
  readonly timing: GateTiming;
  readonly ask: (executable: Executable, attempt: number, leftMs: number | null) => Promise<Asked>;
  readonly onStatus: (status: GateStatus) => void;
  /** Called with the name of one that is through, before the next one is asked. */
  readonly onPassed: (executable: string) => void;
  readonly log: Log;
  readonly signal: AbortSignal;
};

/**
 * Asks the executables of a gate, one after another, until all have passed or one of them refuses.
 *
 * @throws the signal's reason when it aborts
 * @see plugins.md, "Outcomes of a gate"
 */
export async function passGate(gate: Gate): Promise<GateOutcome> {
  const startedAt = performance.now();
  const leftMs = (limitMs: number) => Math.max(0, limitMs - (performance.now() - startedAt));
  const troubles: string[] = [];
  for (const [index, executable] of gate.executables.entries()) {
    const before = gate.executables[index - 1];
    if (before !== undefined) gate.onPassed(before.name);
    const refusal = await askUntilSettled(gate, executable, leftMs);
    if (refusal === null) continue;
    const { error, ...refused } = refusal;
    const isPassedOver = gate.isLeaving || executable.isStratos;
    const event = isPassedOver ? 'hook.passedOver' : 'hook.blocked';
    gate.log.error({ event, executable: executable.name, by: refused.by, ...failure(error) }, 'hook refused');
    if (!isPassedOver) return { kind: 'blocked', hook: gate.hook, ...refused };
    troubles.push(`${executable.name}: ${refused.reason}`);
  }
  return troubles.length === 0 ? { kind: 'passed' } : { kind: 'passed', degraded: troubles.join('; ') };
}

type Refusal = {
  readonly by: 'veto' | 'failure' | 'held too long';
  readonly executable: string;
  readonly reason: string;
  readonly error: AgentError;
};

/** Asked again after a while. `failures`: how many there were in a row. */
type Wait = { readonly kind: 'held' | 'retrying'; readonly reason: string; readonly delayMs: number; failures: number };

type LeftMs = (limitMs: number) => number;

/** Null once it has passed. */
async function askUntilSettled(gate: Gate, executable: Executable, leftMs: LeftMs): Promise<Refusal | null> {
  let wait: Wait | null = null;
  for (let attempt = gate.firstAttempt; ; attempt += 1) {
    const budgetLeftMs = gate.budgetMs === null ? null : leftMs(gate.budgetMs);
    if (budgetLeftMs !== null && budgetLeftMs < shortestRunMs) return outOfTime(gate, executable, wait);
    const asked = await gate.ask(executable, attempt, budgetLeftMs);
    if (asked.kind === 'done') return null;
    const next: Refusal | Wait = nextStep(gate, executable, asked, wait?.failures ?? 0, leftMs);
    if ('by' in next) return next;
    wait = next;
    tell(gate, executable, attempt, wait);
    await pause(wait.delayMs, gate.signal);
  }
}

function nextStep(
  gate: Gate,
  executable: Executable,
  asked: Exclude<Asked, { kind: 'done' }>,
  failures: number,
  leftMs: LeftMs,
): Refusal | Wait {
  if (asked.kind === 'cannotRun') {
    return { ...refusal(gate, executable, 'failure', asked.error.message), error: asked.error };
  }
  const { reason } = asked;
  if (asked.kind === 'failed') {
    const delayMs = gate.isLeaving || executable.isStratos ? undefined : gate.timing.retryDelaysMs[failures];
    if (delayMs === undefined) return refusal(gate, executable, 'failure', reason);
    return { kind: 'retrying', reason, delayMs, failures: failures + 1 };
  }
  if (executable.isStratos) {
    return refusal(gate, executable, 'failure', `only scripts in ${gate.hook}/ may ${asked.kind}: ${reason}`);
  }
  if (asked.kind === 'veto') return refusal(gate, executable, 'veto', reason);
  const holdLeftMs = leftMs(gate.budgetMs ?? gate.timing.holdLimitMs);
  if (holdLeftMs === 0) return refusal(gate, executable, 'held too long', reason);
  const wantedMs = Math.max(shortestHoldMs, asked.retryAfterMs ?? gate.timing.holdDelayMs);
  return { kind: 'held', reason, delayMs: Math.min(wantedMs, holdLeftMs), failures: 0 };
}

const shortestHoldMs = 100;
/** A timer may be early by a millisecond; and who could do anything in less? */
const shortestRunMs = 10;

function outOfTime(gate: Gate, executable: Executable, wait: Wait | null): Refusal {
  if (wait?.kind === 'held') return refusal(gate, executable, 'held too long', wait.reason);
  return refusal(gate, executable, 'failure', wait?.reason ?? 'no time left to run it');
}

function refusal(gate: Gate, executable: Executable, by: Refusal['by'], reason: string): Refusal {
  const error = new HookFailedError(gate.hook, executable.name, reason);
  return { by, executable: executable.name, reason, error };
}

function tell(gate: Gate, executable: Executable, attempt: number, { kind, reason, delayMs }: Wait): void {
  const fields = { executable: executable.name, attempt, reason, delayMs };
  if (kind === 'held') gate.log.info({ event: 'hook.held', ...fields }, 'hook holds');
  else gate.log.warn({ event: 'hook.failed', ...fields }, 'hook failed, will be tried again');
  gate.onStatus({ kind, executable: executable.name, text: reason });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
