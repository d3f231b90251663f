import { z } from 'zod';
import { Provenance } from '../provenance.ts';
import { id } from './fields.ts';
import { MessageError, problemOf } from './message-error.ts';
import { JsonSyntaxError } from './raw-json.ts';
import { parseJson } from './read-json.ts';

/** A condition may quote what git or a hook has said; a retained message is no place for all of it. */
const messageLimit = 1_000;

/**
 * How an agent is, for everybody who looks at the broker: retained on its own topic, told anew with each change. The
 * last part of the topic is the member, so this is none of the events of topics.ts. An empty message: the instance is
 * gone for good.
 *
 * @see design.md, "The bus"
 */
export const Presence = z.strictObject({
  memberId: id,
  clusterId: id,
  runId: id.describe('One process of the agent: a new one with each start.'),
  sequence: z.int().describe('Counts what this run has said, the wills of its connections included.'),
  host: z.string().describe('Where this run is, by its host name.'),
  agent: z.string().describe('The version of the agent.'),
  link: z.enum(['up', 'down']).describe('down: the agent has left, or the broker says so for it.'),
  state: z.string().nullable().describe('Of the lifecycle; null in a will: it was written when the link came up.'),
  condition: z.enum(['ok', 'waiting', 'blocked', 'degraded']).nullable().describe('null in a will.'),
  message: z
    .string()
    .transform((text) => text.slice(0, messageLimit))
    .describe('Why, in one line.'),
  artifact: z
    .strictObject({
      tenantId: z.string(),
      commit: z.string(),
      drifted: z.boolean().nullable().describe('Whether others have changed files of it; null: nobody has looked.'),
      provenance: Provenance.nullable().describe('Where it comes from.'),
    })
    .nullable()
    .describe('What is in place; the one that changed last, if there are several.'),
  since: z.string().nullable().describe('When state or condition last changed, RFC 3339 in UTC; null in a will.'),
  at: z.string().describe('When this was written, RFC 3339 in UTC; of a will: when the link came up.'),
});
export type Presence = z.infer<typeof Presence>;

/** What is needed to tell who it was; agents of other versions are on the same broker. */
const Signature = z.object({
  runId: z.string().default(''),
  sequence: z.number().default(0),
  host: z.string().default(''),
  link: z.string().default(''),
});
export type Signature = z.infer<typeof Signature>;

/** Characters that no topic name may have are replaced, and `/`, which would make it several levels. */
export function presenceTopic(memberId: string): string {
  return `cartridge-agent/presence/${memberId.replace(/[+#/\0]/g, '-')}`;
}

/** @throws {@link MessageError} (MESSAGE_INVALID) */
export function writePresence(presence: Presence): string {
  const result = Presence.safeParse(presence);
  if (result.success) return JSON.stringify(result.data);
  throw new MessageError(
    'MESSAGE_INVALID',
    { topic: presenceTopic(String(presence.memberId)), problem: problemOf(result.error) },
    'write',
  );
}

/**
 * Who says it.
 *
 * @throws {@link MessageError}
 */
export function readSignature(topic: string, payload: Uint8Array): Signature {
  const facts = { topic, sizeBytes: payload.length };
  try {
    return Signature.parse(parseJson(payload));
  } catch (thrown) {
    if (thrown instanceof JsonSyntaxError)
      throw new MessageError('MESSAGE_NOT_JSON', { ...facts, problem: thrown.message });
    if (thrown instanceof z.ZodError)
      throw new MessageError('MESSAGE_INVALID', { ...facts, problem: problemOf(thrown) });
    throw thrown;
  }
}
