import { z } from 'zod';
import { type HookInstance, type HookName, isHookName, type RawJson } from '../../plugins/contract.ts';
import { logTopic } from './log-topic.ts';

// What the agent and the worker of a plugin say to each other. What comes from the worker is parsed: a plugin can post
// there what it likes.

/** What a worker is started with. */
export type WorkerStart = {
  readonly plugin: string;
  /** Of the module; a `file:` URL. */
  readonly url: string;
  readonly options: Readonly<Record<string, string>>;
  /** Whether there is a metadata service to talk to. */
  readonly hasMetadata: boolean;
  /** Where compiled code is kept; null: nowhere. Stripping types anew would take 20 ms. */
  readonly compileCache: string | null;
};

/** To the worker. */
export type ToWorker =
  | { readonly type: 'call'; readonly call: number; readonly task: Task }
  | { readonly type: 'abort'; readonly call: number; readonly reason: string }
  /** It went on when it was told to end, and nobody waits for it any more. */
  | { readonly type: 'forget'; readonly call: number }
  | { readonly type: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly type: 'refusal'; readonly id: number; readonly reason: string; readonly code: string | null };

/** What a plugin is to do. */
export type Task = {
  readonly what: 'hook' | 'health' | 'fetch' | 'place' | 'commit';
  /** The hook, or again what it is to do. */
  readonly name: string;
  /** One JSON document in pieces: `instance`, and the input beside it. */
  readonly document: readonly RawJson[];
  readonly attempt: number;
};

/** What a call is told of us. */
export type Instance = HookInstance & { readonly state: string };

const HookFacts = z.object({
  hook: z.custom<HookName>((name) => typeof name === 'string' && isHookName(name)),
  timeoutMs: z.number().positive().nullable(),
  retries: z.number().int().nonnegative().nullable(),
  before: z.array(z.string()),
  after: z.array(z.string()),
  mode: z.enum(['enforce', 'audit']),
});

/** What a plugin says of itself. */
export const Description = z.object({
  version: z.string().nullable(),
  hooks: z.array(HookFacts),
  health: z.boolean(),
  checkout: z.boolean(),
  commit: z.boolean(),
});
export type Description = z.infer<typeof Description>;

/** Something that is wrong with a plugin, or with its section of agent.conf. */
export const Complaint = z.object({
  text: z.string(),
  remedy: z.string(),
});
export type Complaint = z.infer<typeof Complaint>;

const asks = ['exec', 'readSecret', 'metadata.get', 'metadata.put', 'metadata.delete'] as const;

/** From the worker. */
export const FromWorker = z.discriminatedUnion('type', [
  z.object({ type: z.literal('described'), description: Description, complaints: z.array(Complaint).max(100) }),
  z.object({ type: z.literal('broken'), reason: z.string() }),
  z.object({ type: z.literal('ended'), call: z.number(), value: z.unknown() }),
  z.object({ type: z.literal('failed'), call: z.number(), reason: z.string() }),
  /** A call was told to end, and what it does then leaves its worker free to say so. */
  z.object({ type: z.literal('heard'), call: z.number() }),
  z.object({ type: z.literal('status'), call: z.number(), text: z.string() }),
  z.object({ type: z.literal('extend'), call: z.number(), ms: z.number().nonnegative() }),
  z.object({
    type: z.literal('log'),
    call: z.number(),
    level: z.enum(['debug', 'info', 'warn', 'error']),
    /** JSON: what cannot be cloned can often be written. */
    fields: z.string().max(64 * 1024),
    message: z.string(),
    suppressed: z.number().optional(),
  }),
  z.object({ type: z.literal('report'), problem: z.string().nullable() }),
  z.object({ type: z.literal('publish'), topic: z.string().regex(logTopic).max(1_000), payload: z.string() }),
  z.object({
    type: z.literal('ask'),
    call: z.number(),
    id: z.number(),
    what: z.enum(asks),
    args: z.array(z.unknown()).max(3),
  }),
]);
export type FromWorker = z.infer<typeof FromWorker>;
/** What a plugin says at any time, not for one call of it. */
export type Word = Extract<FromWorker, { type: 'report' | 'publish' }>;
export type Ask = Extract<FromWorker, { type: 'ask' }>;
