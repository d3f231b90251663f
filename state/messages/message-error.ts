import type { z } from 'zod';
import { AgentError } from '../errors.ts';

/** What can be wrong with a message. Each code has one remedy. */
export const messageRemedies = {
  MESSAGE_UNKNOWN_EVENT: 'Nothing to do: it is ignored. If the platform is newer than this agent, upgrade the agent.',
  MESSAGE_EMPTY: 'Find the client that publishes empty messages on this topic; the platform never does.',
  MESSAGE_NOT_JSON: 'Find the client that publishes on this topic; the platform sends one JSON object per message.',
  MESSAGE_INVALID:
    'Compare the version of the platform, and who else may publish on this topic, with what is expected.',
} as const;

export type MessageErrorCode = keyof typeof messageRemedies;

/** A message that cannot be read or written. Names what is wrong with it, never what it contains. */
export class MessageError extends AgentError {
  override readonly name = 'MessageError';
  readonly code: MessageErrorCode;
  readonly remedy: string;

  /** @param facts - `topic`, `sizeBytes` and, if there is something to say, `problem` */
  constructor(code: MessageErrorCode, facts: MessageFacts, verb: 'read' | 'write' = 'read') {
    // No `cause`: the messages of JSON.parse quote the payload, which may hold passwords.
    const topic = printable(facts.topic);
    super(`cannot ${verb} message on ${topic}: ${facts.problem ?? summaries[code]}`, { facts: { ...facts, topic } });
    this.code = code;
    this.remedy = messageRemedies[code];
  }
}

type MessageFacts = { readonly topic: string; readonly sizeBytes?: number; readonly problem?: string };

/** What does not fit, one clause per field, 300 characters at most; values are not quoted. */
export function problemOf({ issues }: z.ZodError): string {
  const clauses = issues.slice(0, 4).map(({ path, message }) => `${path.map(String).join('.') || 'body'}: ${message}`);
  const text = printable(clauses.join('; '));
  return text.length > 300 ? `${text.slice(0, 299)}…` : text;
}

const summaries: Record<MessageErrorCode, string> = {
  MESSAGE_UNKNOWN_EVENT: 'unknown event',
  MESSAGE_EMPTY: 'it is empty',
  MESSAGE_NOT_JSON: 'not JSON',
  MESSAGE_INVALID: 'it does not fit',
};

/** Keys and topics come from the wire too: no line breaks, no endless ones. */
function printable(text: string): string {
  const line = text.slice(0, 400).replace(/\p{Cc}/gu, '?');
  return text.length > 400 ? `${line}…` : line;
}
