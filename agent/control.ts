import { z } from 'zod';
import { AgentError } from '../state/errors.ts';
import type { Answer } from './asks.ts';

/** Somebody on the local socket asks for what there is not. */
export class AskUnknownError extends AgentError {
  override readonly name = 'AskUnknownError';
  readonly code = 'ASK_UNKNOWN';
  readonly remedy = 'Ask {"ask":"status"}; a newer program may know of more than this agent does.';
}

/** An operator's order for a gate lacks something. */
export class GateOrderError extends AgentError {
  override readonly name = 'GateOrderError';
  readonly code = 'GATE_ORDER';
  readonly remedy = 'Use cartridge-agent gate retry|skip HOOK --reason TEXT, or ask as that does.';
}

/** What an operator wants to become of a gate that is blocked: `retry` asks its hooks anew, `skip` goes on without them. */
export const GateOrder = z.object({
  action: z.enum(['retry', 'skip']),
  gate: z.string().min(1).max(200).describe('The hook.'),
  reason: z.string().trim().min(1).max(500).describe('Why, for the journal.'),
});
export type GateOrder = z.infer<typeof GateOrder>;

/** What became of it. */
export const GateAnswer = z.object({
  gate: z.string(),
  result: z.enum(['done', 'not blocked', 'unknown gate']),
});
export type GateAnswer = z.infer<typeof GateAnswer>;

/** Says what became of an order. */
export type OnGate = (order: GateOrder) => GateAnswer['result'] | Promise<GateAnswer['result']>;

const Ask = z.object({ ask: z.string() });

/**
 * What this agent says when it is asked on its local socket; the socket itself, and what becomes of failures, is the
 * business of asks.ts.
 *
 * @param answers - by what is asked: `status`
 * @param options - `onGate`: called with each order an operator gives
 */
export function createControl(
  answers: Readonly<Record<string, (ask: object) => object | Promise<object>>>,
  options: { readonly onGate?: OnGate } = {},
): Answer {
  const { onGate } = options;
  const all = onGate === undefined ? answers : { ...answers, gate: (ask: object) => answerGate(ask, onGate) };
  return async (ask) => {
    const asked = Ask.safeParse(ask);
    const name = asked.success ? asked.data.ask : '';
    const answer = Object.hasOwn(all, name) ? all[name] : undefined;
    if (answer === undefined) throw new AskUnknownError('cannot answer: there is no such thing to ask for');
    return await answer(ask);
  };
}

async function answerGate(ask: object, onGate: OnGate): Promise<GateAnswer> {
  const order = GateOrder.safeParse(ask);
  if (!order.success) {
    const wrong = order.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new GateOrderError(`cannot do that with a gate: ${wrong.join('; ')}`);
  }
  return { gate: order.data.gate, result: await onGate(order.data) };
}
