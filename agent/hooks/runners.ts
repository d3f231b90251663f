import type { HookInputs, HookName } from '../../plugins/contract.ts';
import type { AgentError } from '../../state/errors.ts';

/** One thing that is run for a hook: a function of a plugin, an executable, the script Stratos knows the moment by. */
export type Runner = {
  /** For people, logs and the journal: `artifactUpdated php-server`, `artifactUpdated/90-warm`, `ArtifactUpdatedEvent.sh`. */
  readonly name: string;
  /** `stratos` can neither hold nor veto nor block. */
  readonly kind: 'plugin' | 'executable' | 'stratos';
  readonly order: RunnerOrder;
  readonly limits: RunnerLimits;
  /** `audit`: a hold, veto or failure is recorded as what it would have done, and the gate goes on. */
  readonly mode: 'enforce' | 'audit';
  /** Why, and for how many milliseconds, a run would only wait; null: it can be run. */
  readonly down?: () => { readonly reason: string; readonly forMs: number } | null;
  /**
   * Runs once, and says how that ended. Once `call.signal` aborts it is to end, and its answer is not waited for much longer
   * (limit reached) or not at all (overtaken); what is left to end is ended in the background. A rejection is a failure.
   */
  run<Name extends HookName>(call: RunnerCall<Name>): Promise<Asked>;
};

/** What is known of a runner that is not run. */
export type Ordered = Pick<Runner, 'name' | 'kind' | 'order'>;

export type RunnerOrder = {
  /** What `before` and `after` of others may call it: `php-server`; `90-warm` and `artifactUpdated/90-warm`. */
  readonly names: readonly string[];
  /** Smaller ones first; the number of an executable's name, see below for the others. */
  readonly number: number;
  readonly before: readonly string[];
  readonly after: readonly string[];
};

/** Null: not declared, so the configured or usual one. */
export type RunnerLimits = {
  /** For one run. */
  readonly timeoutMs: number | null;
  /** After the first failure. */
  readonly retries: number | null;
};

/** One run of one runner. Durations in milliseconds, on the monotonic clock. */
export type RunnerCall<Name extends HookName> = {
  readonly name: Name;
  readonly input: HookInputs[Name];
  /** Counted from 1. */
  readonly attempt: number;
  /** What is left of the budget for leaving; null: there is none. */
  readonly leftMs: number | null;
  /** From now until `signal` aborts, unless extended; kept by the caller, here for people to be told. */
  readonly limitMs: number;
  /** Aborts at the limit, and when the gate is overtaken or the agent stops: `overtaken` is that part of it. */
  readonly signal: AbortSignal;
  readonly overtaken: AbortSignal;
  /** What it is doing, for people. */
  readonly onStatus: (text: string) => void;
  /** Needs this long from now on. Moves the limit up to a cap; does nothing when that is sooner than the limit. */
  readonly onExtend: (ms: number) => void;
  /** Needs this long beyond its limit. Moves that up to a cap. */
  readonly onLengthen: (ms: number) => void;
};

/** How a run ended. `cannotRun`: it was not even started, and will not be until a person does something about it. */
export type Asked =
  | { readonly kind: 'done' }
  /** `retryAfterMs` null: it did not say. */
  | { readonly kind: 'hold'; readonly reason: string; readonly retryAfterMs: number | null }
  | { readonly kind: 'veto'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'cannotRun'; readonly error: AgentError };

/** The runners of plugins, which a host has; asked for afresh each time. */
export type RunnerSource = {
  runnersFor(hook: HookName): readonly Runner[];
  /** Names of plugins that may be used or not: who wants to come before or after one of them has made no mistake. */
  readonly optional?: readonly string[];
};

/** Where a plugin stands among executables unless it says otherwise. */
export const pluginNumber = 50;
/** The Stratos script is before all others, as in the originals: they see what it did. @see protocol.md section 7.3 */
export const stratosNumber = -1;
