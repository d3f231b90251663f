import type { z } from 'zod';
import type { Checkout, Commit } from './artifacts.ts';
import type { HealthContext, PluginContext } from './context.ts';
import type { GateName, HookName } from './hooks.ts';
import type { HookInput } from './input-types.ts';

/** The version of this contract: what a plugin says as `contract`. */
export const contractVersion = 1;

/**
 * How a gate ends: nothing, to go on; a *veto* with its reason, to stop until its cause changes; a *hold* with its reason,
 * to be asked again after `retryAfterMs` milliseconds. A rejection is a failure, and is retried.
 */
export type Verdict =
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that says nothing returns void, not undefined
  | void
  | (NotOfVerdicts & { readonly veto: string; readonly hold?: never; readonly retryAfterMs?: never })
  | (NotOfVerdicts & { readonly hold: string; readonly retryAfterMs?: number; readonly veto?: never });

/** What an executable says on fd 3, in seconds. A function may return more than its type says, unless that is named. */
type NotOfVerdicts = { readonly retryAfter?: never };

/** What a hook's function may return: a verdict if it is a gate, nothing if it is a notice. */
// biome-ignore lint/suspicious/noConfusingVoidType: as above
export type Answer<Name extends HookName> = Name extends GateName ? Verdict : void;

/** The function of one hook. One that rejects has failed; plugins/README.md says what that means for its kind. */
export type HookFunction<Name extends HookName, Options = unknown> = (
  context: PluginContext<Options>,
  input: HookInput<Name>,
) => Promise<Answer<Name>> | Answer<Name>;

/** A hook with what is to be known of it; all but `run` have defaults. */
export interface HookDetails<Name extends HookName, Options = unknown> {
  readonly run: HookFunction<Name, Options>;
  /** For one attempt, in milliseconds; default: `hook.timeout`, for `drain` and `clean` what is left of the budget. */
  readonly timeoutMs?: number;
  /** After a failure. */
  readonly retries?: number;
  /** Names of plugins or executables of this hook that come later. */
  readonly before?: readonly string[];
  /** Names of plugins or executables of this hook that come first. */
  readonly after?: readonly string[];
  /** `audit` records a veto or failure as "would have ..." and goes on; default `enforce`. */
  readonly mode?: 'enforce' | 'audit';
}

export type HookDefinition<Name extends HookName, Options = unknown> =
  | HookFunction<Name, Options>
  | HookDetails<Name, Options>;

/** The hooks a plugin acts at. */
export type Hooks<Options = unknown> = { readonly [Name in HookName]?: HookDefinition<Name, Options> };

/** The schema of a plugin that has no options. */
export type NoOptions = z.ZodType<Readonly<Record<never, never>>>;

/**
 * A plugin: data first, so that all of it can be checked before any of its functions is called. Without a schema, `Plugin`
 * means any plugin, whatever its options are.
 */
export interface Plugin<Schema extends z.ZodType = z.ZodType, Options = OptionsOf<Schema>> {
  /** Lower case with dashes, such as `php-server`; its options are in section `[plugin php-server]`. */
  readonly name: string;
  /** The version of the contract it was written for. */
  readonly contract: typeof contractVersion;
  /** Of the plugin; shown to people. */
  readonly version?: string;
  /** What its section of agent.conf may have; the values come as text. Words and defaults make its documentation. */
  readonly options?: Schema;
  readonly hooks?: Hooks<Options>;
  /** Named numbers, published beside load and memory. */
  readonly health?: (context: HealthContext<Options>) => Promise<Readonly<Record<string, number>>>;
  /** Takes over fetching and placing artifacts; one plugin at most. */
  readonly checkout?: Checkout<Options>;
  /** Takes over committing and pushing local changes; one plugin at most. */
  readonly commit?: Commit<Options>;
}

/**
 * Defines a plugin: `export default definePlugin({ name: 'php-server', contract: 1, hooks: { ... } })`. It does nothing
 * but give everything its type, so that a mistake is seen where it is written.
 */
export function definePlugin<Schema extends z.ZodType = NoOptions>(plugin: Plugin<Schema>): Plugin<Schema> {
  return plugin;
}

/** Nobody can call the functions of any plugin, for nobody has its options: but its host, who parsed them. */
type OptionsOf<Schema extends z.ZodType> = z.ZodType extends Schema ? never : z.output<Schema>;
