import { z } from 'zod';
import { AgentError } from '../state/errors.ts';
import type { Answer } from './asks.ts';

/** Somebody on the local socket asks for what there is not. */
export class AskUnknownError extends AgentError {
  override readonly name = 'AskUnknownError';
  readonly code = 'ASK_UNKNOWN';
  readonly remedy = 'Ask {"ask":"status"}; a newer program may know of more than this agent does.';
}

const Ask = z.object({ ask: z.string() });

/**
 * What this agent says when it is asked on its local socket; the socket itself, and what becomes of failures, is the
 * business of asks.ts.
 *
 * @param answers - by what is asked: `status`
 */
export function createControl(answers: Readonly<Record<string, () => object>>): Answer {
  return async (ask) => {
    const asked = Ask.safeParse(ask);
    const name = asked.success ? asked.data.ask : '';
    const answer = Object.hasOwn(answers, name) ? answers[name] : undefined;
    if (answer === undefined) throw new AskUnknownError('cannot answer: there is no such thing to ask for');
    return answer();
  };
}
