import type { HookName } from '../../../plugins/contract.ts';
import { runLimited } from '../../hooks/limited-run.ts';
import type { Asked, Runner } from '../../hooks/runners.ts';
import { insideInput, type Sample } from './samples.ts';

/** After its limit; the host of plugins has ended a worker by then. */
const graceMs = 3_000;

/**
 * Runs a runner once with a sample, as a gate or a notice of the agent would.
 *
 * @param call - `limitMs`: unless the hook declares another one
 * @throws the signal's reason when it aborts
 */
export async function fire<Name extends HookName>(
  runner: Runner,
  call: {
    readonly hook: Name;
    readonly sample: Sample;
    readonly attempt: number;
    readonly limitMs: number;
    readonly onStatus?: (text: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<{ asked: Asked; durationMs: number }> {
  const { hook: name, sample, attempt, limitMs, onStatus = () => {}, signal } = call;
  const startedAt = performance.now();
  const told = { name, input: insideInput(name, sample), attempt, leftMs: null, onStatus };
  const asked = await runLimited(runner, told, { limitMs, capMs: 10 * limitMs, graceMs, signal });
  return { asked, durationMs: Math.round(performance.now() - startedAt) };
}

/** How a run ended, for people. */
export function inWords(asked: Asked): string {
  if (asked.kind === 'done') return 'done';
  if (asked.kind === 'cannotRun') return `cannot be run: ${asked.error.message}`;
  const delay = asked.kind === 'hold' && asked.retryAfterMs !== null ? ` (again after ${asked.retryAfterMs} ms)` : '';
  return `${asked.kind}: ${asked.reason}${delay}`;
}
