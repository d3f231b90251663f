import { setTimeout } from 'node:timers/promises';
import { AgentError } from '../../state/errors.ts';
import { failure, type Log } from '../log.ts';
import type { Asked, Runner } from './runners.ts';

/** How a gate ended. `degraded`: passed, but somebody should look, and at what. */
export type GateOutcome =
  | { readonly kind: 'passed'; readonly degraded?: string }
  | {
      readonly kind: 'blocked';
      readonly by: Refusal['by'];
      readonly hook: string;
      /** The name of the runner that said no: `artifactUpdated/90-warm`, `artifactUpdated php-server`. */
      readonly executable: string;
      readonly reason: string;
    };

/** What a gate says while it is waited for. `held` and `retrying` are about what happens next, `status` is its own word. */
export type GateStatus = {
  readonly kind: 'status' | 'held' | 'retrying';
  /** The name of the runner. */
  readonly executable: string;
  readonly text: string;
};

/** Delays and limits of all gates, in milliseconds. */
export type GateTiming = {
  /** For a gate without a budget: how long it may be held, by all of its runners together. Below the 15 minutes after which the platform gives up. */
  readonly holdLimitMs: number;
  /** Until a hold is asked again, if it does not say. */
  readonly holdDelayMs: number;
  /** Before each retry of a failure; as many as there are, unless the runner says how many: then the last one again and again. */
  readonly retryDelaysMs: readonly number[];
};

/** A hook has failed for good. */
export class HookFailedError extends AgentError {
  override readonly name = 'HookFailedError';
  readonly code = 'HOOK_FAILED';
  readonly remedy = 'Read its output in the log, correct it or what it complains about, and let it run again.';

  constructor(hook: string, executable: string, reason: string) {
    super(`cannot pass ${executable}: ${reason}`, { facts: { hook, executable, reason } });
  }
}

/** The agent has ended over it, again and again: an endless chain of restarts would take the instance down. */
export class HookDeadlyError extends AgentError {
  override readonly name = 'HookDeadlyError';
  readonly code = 'HOOK_ENDS_AGENT';
  readonly remedy =
    'See in the log before each start of the agent how it ended, correct the hook, then have the gate retried.';

  constructor(hook: string, executable: string, attempts: number) {
    const message = `cannot run ${executable} once more: the agent ended while it ran, and this was attempt ${attempts}`;
    super(message, { facts: { hook, executable, attempts } });
  }
}

/** One gate, at one moment. */
export type Gate = {
  readonly hook: string;
  /** In the order they are asked. */
  readonly runners: readonly Runner[];
  /** Leaving must always be possible: what fails is recorded and passed over, and not retried unless the runner says so. */
  readonly isLeaving: boolean;
  /** Over everything, holds and runs; null: holds have their own limit, and so has each run. */
  readonly budgetMs: number | null;
  /** Counted from 1; more if the agent was interrupted in an earlier one. */
  readonly firstAttempt: number;
  readonly timing: GateTiming;
  readonly ask: (runner: Runner, attempt: number, leftMs: number | null) => Promise<Asked>;
  readonly onStatus: (status: GateStatus) => void;
  /** Called with the name of one that is through, before the next one is asked. */
  readonly onPassed: (runner: string) => void;
  readonly log: Log;
  readonly signal: AbortSignal;
};

/**
 * Asks the runners of a gate, one after another, until all have passed or one of them refuses.
 *
 * @throws the signal's reason when it aborts
 * @see plugins.md, "Outcomes of a gate"
 */
export async function passGate(gate: Gate): Promise<GateOutcome> {
  const startedAt = performance.now();
  const leftMs = (limitMs: number) => Math.max(0, limitMs - (performance.now() - startedAt));
  const troubles: string[] = [];
  for (const [index, runner] of gate.runners.entries()) {
    const before = gate.runners[index - 1];
    if (before !== undefined) gate.onPassed(before.name);
    const refusal = await askUntilSettled(gate, runner, leftMs);
    if (refusal === null || !counts(gate, runner, refusal)) continue;
    const { error, ...refused } = refusal;
    const isPassedOver = gate.isLeaving || runner.kind === 'stratos';
    const event = isPassedOver ? 'hook.passedOver' : 'hook.blocked';
    gate.log.error({ event, executable: runner.name, by: refused.by, ...failure(error) }, 'hook refused');
    if (!isPassedOver) return { kind: 'blocked', hook: gate.hook, ...refused };
    troubles.push(`${runner.name}: ${refused.reason}`);
  }
  return troubles.length === 0 ? { kind: 'passed' } : { kind: 'passed', degraded: troubles.join('; ') };
}

/** What one whose mode is `audit` did, in words. */
export function wouldHave(kind: Exclude<Asked['kind'], 'done'>, reason: string): string {
  const deed = { hold: 'held', veto: 'vetoed', failed: 'failed', cannotRun: 'failed' }[kind];
  return `would have ${deed}: ${reason}`;
}

/** An audit is told, and changes nothing. */
function counts(gate: Gate, { name, mode }: Runner, { by, reason }: Refusal): boolean {
  if (mode !== 'audit') return true;
  gate.log.warn({ event: 'hook.audited', executable: name, by, reason }, 'hook would have refused');
  gate.onStatus({ kind: 'status', executable: name, text: reason });
  return false;
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
async function askUntilSettled(gate: Gate, runner: Runner, leftMs: LeftMs): Promise<Refusal | null> {
  let wait: Wait | null = null;
  for (let attempt = gate.firstAttempt; ; attempt += 1) {
    await pauseWhileDown(gate, runner);
    const budgetLeftMs = gate.budgetMs === null ? null : leftMs(gate.budgetMs);
    if (budgetLeftMs !== null && budgetLeftMs < shortestRunMs) return outOfTime(gate, runner, wait);
    const asked = await gate.ask(runner, attempt, budgetLeftMs);
    if (asked.kind === 'done') return null;
    const next: Refusal | Wait = nextStep(gate, runner, asked, wait?.failures ?? 0, leftMs);
    if ('by' in next) return next;
    wait = next;
    tell(gate, runner, attempt, wait);
    await pause(wait.delayMs, gate.signal);
  }
}

/** An attempt is not spent on waiting. Who leaves has no time for that: there it is a part of the run. */
async function pauseWhileDown(gate: Gate, runner: Runner): Promise<void> {
  const down = gate.isLeaving ? null : (runner.down?.() ?? null);
  if (down === null) return;
  gate.onStatus({ kind: 'retrying', executable: runner.name, text: down.reason });
  await pause(down.forMs, gate.signal);
}

type Refused = Exclude<Asked, { kind: 'done' }>;

function nextStep(gate: Gate, runner: Runner, asked: Refused, failures: number, leftMs: LeftMs): Refusal | Wait {
  const reason = asked.kind === 'cannotRun' ? asked.error.message : asked.reason;
  if (runner.mode === 'audit') return refusal(gate, runner, byOf[asked.kind], wouldHave(asked.kind, reason));
  if (asked.kind === 'cannotRun') return { ...refusal(gate, runner, 'failure', reason), error: asked.error };
  if (asked.kind === 'failed') {
    const delayMs = retryDelayMs(gate, runner, failures);
    if (delayMs === null) return refusal(gate, runner, 'failure', reason);
    const budgetLeftMs = gate.budgetMs === null ? delayMs : leftMs(gate.budgetMs);
    return { kind: 'retrying', reason, delayMs: Math.min(delayMs, budgetLeftMs), failures: failures + 1 };
  }
  if (runner.kind === 'stratos') {
    const who = `only plugins and scripts in ${gate.hook}/`;
    return refusal(gate, runner, 'failure', `${who} may ${asked.kind}: ${reason}`);
  }
  if (asked.kind === 'veto') return refusal(gate, runner, 'veto', reason);
  const holdLeftMs = leftMs(gate.budgetMs ?? gate.timing.holdLimitMs);
  if (holdLeftMs === 0) return refusal(gate, runner, 'held too long', reason);
  const wantedMs = Math.max(shortestHoldMs, asked.retryAfterMs ?? gate.timing.holdDelayMs);
  return { kind: 'held', reason, delayMs: Math.min(wantedMs, holdLeftMs), failures: 0 };
}

const byOf = { hold: 'held too long', veto: 'veto', failed: 'failure', cannotRun: 'failure' } as const;

/** Null: no more retries. */
function retryDelayMs({ timing, isLeaving }: Gate, { kind, limits }: Runner, failures: number): number | null {
  const usual = isLeaving || kind === 'stratos' ? 0 : timing.retryDelaysMs.length;
  if (failures >= (limits.retries ?? usual)) return null;
  return timing.retryDelaysMs[failures] ?? timing.retryDelaysMs.at(-1) ?? 0;
}

const shortestHoldMs = 100;
/** A timer may be early by a millisecond; and who could do anything in less? */
const shortestRunMs = 10;

function outOfTime(gate: Gate, runner: Runner, wait: Wait | null): Refusal {
  if (wait?.kind === 'held') return refusal(gate, runner, 'held too long', wait.reason);
  return refusal(gate, runner, 'failure', wait?.reason ?? 'no time left to run it');
}

function refusal(gate: Gate, runner: Runner, by: Refusal['by'], reason: string): Refusal {
  const error = new HookFailedError(gate.hook, runner.name, reason);
  return { by, executable: runner.name, reason, error };
}

function tell(gate: Gate, runner: Runner, attempt: number, { kind, reason, delayMs }: Wait): void {
  const fields = { executable: runner.name, attempt, reason, delayMs };
  if (kind === 'held') gate.log.info({ event: 'hook.held', ...fields }, 'hook holds');
  else gate.log.warn({ event: 'hook.failed', ...fields }, 'hook failed, will be tried again');
  gate.onStatus({ kind, executable: runner.name, text: reason });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
