import type { HookInputs, HookName } from '../../plugins/contract.ts';
import type { Log } from '../log.ts';
import { type GateStatus, wouldHave } from './gate.ts';
import { type Limits, runLimited } from './limited-run.ts';
import type { Asked, Runner } from './runners.ts';

/** One runner, asked once. */
export type Question<Name extends HookName> = {
  readonly name: Name;
  readonly input: HookInputs[Name];
  readonly runner: Runner;
  /** Counted from 1. */
  readonly attempt: number;
  /** What is left of the budget; null if there is none. */
  readonly leftMs: number | null;
  readonly onStatus?: (status: GateStatus) => void;
  readonly signal: AbortSignal;
};

/** One run of one runner, once it has ended. */
export type RanHook = {
  readonly hook: HookName;
  /** The name of the runner: a plugin's too. */
  readonly executable: string;
  readonly attempt: number;
  readonly end: Asked['kind'];
  /** Null if it is done. */
  readonly reason: string | null;
  readonly durationMs: number;
};

/** A runner may move its own limit this many times as far. */
const extensionFactor = 10;
/** What a plugin gets for its last words beyond its limit, and at the end of a budget. */
const longestGraceMs = 2_000;
const lastWordsMs = 250;

/**
 * Makes the function that runs a runner once, within its limit, and says how that ended.
 *
 * @param options - `timeoutMs`: for a runner that does not say; `graceMs`: until one that is asked to end is killed
 */
export function createAsking(options: {
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly onRan?: (run: RanHook) => void;
  readonly log: Log;
}) {
  const { onRan = () => {} } = options;

  /** @throws the signal's reason when it aborts */
  return async function ask<Name extends HookName>(question: Question<Name>): Promise<Asked> {
    const { name, input, runner, attempt, leftMs, onStatus, signal } = question;
    const startedAt = performance.now();
    const tell = (text: string) => onStatus?.({ kind: 'status', executable: runner.name, text });
    const limits = { ...limitsOf(question, options), signal };
    const end = forPeople(await runLimited(runner, { name, input, attempt, leftMs, onStatus: tell }, limits));
    const durationMs = Math.round(performance.now() - startedAt);
    if (end.kind !== 'cannotRun') {
      const log = options.log.child({ hook: name, executable: runner.name, attempt });
      log.info({ event: 'hook.ran', end: end.kind, durationMs }, 'hook ran');
    }
    const reason = reasonFor(runner, end);
    onRan({ hook: name, executable: runner.name, attempt, end: end.kind, reason, durationMs });
    return end;
  };
}

/** A reason becomes the message of the instance, which is one line; and what stderr has is handed on, also when it is empty. */
function forPeople(end: Asked): Asked {
  if (!('reason' in end)) return end;
  const line = end.reason.trim().replace(/\s*[\r\n]\s*/g, ' ');
  return { ...end, reason: line === '' ? 'it gave no reason' : line };
}

/** Drain and clean may take all the time there is, unless they say otherwise. */
function limitsOf(
  { name, runner, leftMs }: Question<HookName>,
  { timeoutMs, graceMs }: { timeoutMs: number; graceMs: number },
): Limits {
  const declaredMs = runner.limits.timeoutMs ?? timeoutMs;
  if (leftMs === null) {
    return { limitMs: declaredMs, capMs: declaredMs * extensionFactor, graceMs: Math.min(graceMs, longestGraceMs) };
  }
  const takesAll = runner.limits.timeoutMs === null && (name === 'drain' || name === 'clean');
  return { limitMs: takesAll ? leftMs : Math.min(declaredMs, leftMs), capMs: leftMs, graceMs: lastWordsMs };
}

function reasonFor({ mode }: Runner, end: Asked): string | null {
  if (end.kind === 'done') return null;
  const reason = end.kind === 'cannotRun' ? end.error.message : end.reason;
  return mode === 'audit' ? wouldHave(end.kind, reason) : reason;
}
