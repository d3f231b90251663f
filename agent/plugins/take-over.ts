import { z } from 'zod';
import type { FetchedArtifact, HookInstance, WantedArtifact } from '../../plugins/contract.ts';
import type { Listener } from './calls.ts';
import { PluginCallError } from './failures.ts';
import type { PluginLife } from './life.ts';
import type { Task } from './messages.ts';

/** As for a hook; the caller keeps the limit. */
export type WorkCall = Pick<Listener, 'signal' | 'attempt'> & Partial<Pick<Listener, 'onStatus' | 'onExtend'>>;

/** A plugin that has taken over how artifacts come here. All of it throws PluginCallError. */
export type PluginCheckout = {
  readonly plugin: string;
  fetch(wanted: WantedArtifact, call: WorkCall): Promise<FetchedArtifact>;
  place(wanted: WantedArtifact & { readonly newCommit: string }, call: WorkCall): Promise<void>;
};

/** A plugin that has taken over how local changes go back. Null: nothing had changed. */
export type PluginCommit = {
  readonly plugin: string;
  /** @throws PluginCallError */
  commit(wanted: WantedArtifact, call: WorkCall): Promise<string | null>;
};

type Worker = { readonly name: string; readonly life: PluginLife; readonly instance: () => HookInstance };

const Fetched = z.object({
  newCommit: z.string().min(1),
  changedPaths: z.array(z.string()).optional(),
  subject: z.string().optional(),
});
const Committed = z.string().nullish();

export function pluginCheckout(worker: Worker): PluginCheckout {
  return {
    plugin: worker.name,
    async fetch(wanted, call) {
      const { newCommit, changedPaths, subject } = read(
        worker,
        'fetch',
        Fetched,
        await work(worker, 'fetch', wanted, call),
      );
      return { newCommit, ...(changedPaths && { changedPaths }), ...(subject !== undefined && { subject }) };
    },
    async place(wanted, call) {
      await work(worker, 'place', wanted, call);
    },
  };
}

export function pluginCommit(worker: Worker): PluginCommit {
  return {
    plugin: worker.name,
    async commit(wanted, call) {
      return read(worker, 'commit', Committed, await work(worker, 'commit', wanted, call)) ?? null;
    },
  };
}

/** @throws PluginCallError */
async function work(worker: Worker, what: Task['what'], wanted: WantedArtifact, call: WorkCall): Promise<unknown> {
  const ended = await worker.life.call(
    { what, name: what, document: documentOf(worker, wanted), attempt: call.attempt },
    { onStatus: () => {}, onExtend: () => {}, whyAborted: () => 'it is to end', ...call },
  );
  if ('failed' in ended) throw new PluginCallError(worker.name, what, ended.failed);
  return ended.value;
}

/** Opened for the way to the worker, which closes it again. */
function documentOf({ instance }: Worker, wanted: WantedArtifact): string[] {
  const { credential } = wanted;
  const open = credential === null ? null : { ...credential, password: credential.password.reveal() };
  return [JSON.stringify({ instance: instance(), ...wanted, credential: open })];
}

/** @throws PluginCallError */
function read<Schema extends z.ZodType>(
  { name }: Worker,
  what: string,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new PluginCallError(name, what, `it returned what was not asked for: ${z.prettifyError(parsed.error)}`);
}
