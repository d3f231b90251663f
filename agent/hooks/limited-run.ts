import type { HookName } from '../../plugins/contract.ts';
import { reasonOf } from '../../state/errors.ts';
import type { Asked, Runner, RunnerCall } from './runners.ts';
import { createTimeLimit } from './time-limit.ts';

/** What a runner is called with, but for what holds it to its limit. */
export type Call<Name extends HookName> = Omit<
  RunnerCall<Name>,
  'limitMs' | 'signal' | 'overtaken' | 'onExtend' | 'onLengthen'
>;

/** How long a run may take, in milliseconds. */
export type Limits = {
  readonly limitMs: number;
  /** How far the runner may move that, from the start. */
  readonly capMs: number;
  /** How long a plugin's answer is waited for once the limit is reached: it may tidy up, and say its last words. */
  readonly graceMs: number;
};

const tooLate: Asked = { kind: 'failed', reason: 'not done within its time limit' };

/**
 * Calls a runner, and holds it to its limit: a plugin whether it listens or not; that executables are gone is waited for,
 * as long as whoever runs them sees a point in it.
 *
 * @param signal - it is overtaken, or the agent stops
 * @throws the signal's reason, at once, when it aborts
 */
export async function runLimited<Name extends HookName>(
  runner: Runner,
  call: Call<Name>,
  { limitMs, capMs, graceMs, signal }: Limits & { readonly signal: AbortSignal },
): Promise<Asked> {
  using limit = createTimeLimit(limitMs, capMs);
  let isOver = false;
  const running = runner.run({
    ...call,
    limitMs,
    signal: AbortSignal.any([signal, limit.signal]),
    overtaken: signal,
    onStatus: (text) => (isOver ? undefined : call.onStatus(text)),
    onExtend: limit.extend,
    onLengthen: limit.lengthen,
  });
  try {
    if (runner.kind !== 'plugin') return await running; // an end just before the limit counts
    const asked = await answerOf(running, { signal, limit: limit.signal, graceMs });
    if (asked !== null && (asked.kind === 'failed' || !limit.signal.aborted)) return asked;
    return tooLate;
  } catch (thrown) {
    signal.throwIfAborted();
    if (runner.kind !== 'plugin') throw thrown; // a defect of ours
    return { kind: 'failed', reason: reasonOf(thrown) };
  } finally {
    isOver = true;
  }
}

/**
 * Null: none came in time.
 *
 * @throws the signal's reason, at once, when it aborts
 */
async function answerOf(
  running: Promise<Asked>,
  { signal, limit, graceMs }: { signal: AbortSignal; limit: AbortSignal; graceMs: number },
): Promise<Asked | null> {
  using overtaken = whenAborted(signal);
  using late = whenAborted(limit, graceMs);
  const asked = await Promise.race([running, overtaken.promise, late.promise]);
  if (asked === null) signal.throwIfAborted();
  return asked;
}

/** Null once the signal has aborted, and a while later if that is given. No listener and no timer is left behind. */
function whenAborted(signal: AbortSignal, delayMs = 0): Disposable & { promise: Promise<null> } {
  const { promise, resolve } = Promise.withResolvers<null>();
  let timer: NodeJS.Timeout | undefined;
  const tell = () => {
    if (delayMs === 0) resolve(null);
    else timer = setTimeout(() => resolve(null), delayMs);
  };
  signal.addEventListener('abort', tell);
  if (signal.aborted) tell();
  return {
    promise,
    [Symbol.dispose]() {
      signal.removeEventListener('abort', tell);
      clearTimeout(timer);
    },
  };
}
