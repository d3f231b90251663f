import { nearestOf } from '../../state/config/nearest.ts';
import { type HookName, hooks } from './hooks.ts';

/** What a function of a hook has said, in the words of the agent. */
export type ReadVerdict =
  | { readonly kind: 'done' }
  /** `retryAfterMs` null: it did not say. */
  | { readonly kind: 'hold'; readonly reason: string; readonly retryAfterMs: number | null }
  | { readonly kind: 'veto'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

const known = ['veto', 'hold', 'retryAfterMs'];

/**
 * Reads what the function of a hook returned. Types do not reach plugins in JavaScript: what is no verdict is a failure,
 * because its author meant something by it. What a notice returns says nothing, but for a veto or hold.
 */
export function readVerdict(hook: HookName, returned: unknown): ReadVerdict {
  const said = isRecord(returned) ? returned : {};
  const word = (['veto', 'hold'] as const).filter((key) => said[key] !== undefined);
  if (hooks[hook].kind === 'notice') {
    return word[0] === undefined ? { kind: 'done' } : failed(`a notice cannot ${word[0]}`);
  }
  if (returned === undefined) return { kind: 'done' };
  if (word.length !== 1) return failed('it returned neither nothing nor one of { veto } and { hold }');
  const [stranger] = Object.keys(said).filter((key) => said[key] !== undefined && !known.includes(key));
  if (stranger !== undefined) return failed(`it returned ${stranger} with its ${word[0]}, ${meantBy(stranger)}`);
  const { veto, hold, retryAfterMs = null } = said;
  const reason = veto ?? hold;
  if (typeof reason !== 'string') return failed(`the reason of its ${word[0]} is not text`);
  if (veto !== undefined) return { kind: 'veto', reason };
  if (retryAfterMs !== null && !isDelay(retryAfterMs)) return failed('retryAfterMs is not a number of milliseconds');
  return { kind: 'hold', reason, retryAfterMs };
}

function meantBy(key: string): string {
  const nearest = nearestOf(key, known);
  return nearest === null ? 'and a verdict has no such member' : `did you mean ${nearest}?`;
}

function failed(reason: string): ReadVerdict {
  return { kind: 'failed', reason };
}

function isDelay(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
