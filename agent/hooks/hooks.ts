import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { GateName, HookInputs, HookInstance, HookName, NoticeName } from '../../plugins/contract.ts';
import type { AgentError } from '../../state/errors.ts';
import type { Faults } from '../faults.ts';
import { failure, type Log } from '../log.ts';
import { createAsking, type RanHook } from './asking.ts';
import { checkHooks } from './check.ts';
import type { CommonValues } from './environment.ts';
import { createExecutableRunners, type HookSettings } from './executable-runner.ts';
import { HookFolderError } from './executables.ts';
import {
  type GateOutcome,
  type GateStatus,
  type GateTiming,
  HookDeadlyError,
  HookFailedError,
  passGate,
} from './gate.ts';
import { endInterrupted } from './interrupted.ts';
import { createLookup } from './lookup.ts';
import { createNotices } from './notices.ts';
import { watchProblems } from './problems.ts';
import { createReaper } from './reaper.ts';
import type { Runner, RunnerSource } from './runners.ts';
import { createSpare } from './spare.ts';

/** Delays and limits nobody configures, in milliseconds. */
export type HookTiming = GateTiming & {
  /** From asking a script to end to killing it. */
  readonly graceMs: number;
  /** The same once the agent itself stops: it must be gone in a second. */
  readonly closeGraceMs: number;
};

export type GateOptions = {
  readonly signal: AbortSignal;
  /** For drain and clean: what is left of the time for leaving. Holds, runs and extensions end with it. */
  readonly budgetMs?: number;
  /** 1 unless the agent was interrupted in this gate before. */
  readonly attempt?: number;
  /** The runners an interrupted attempt has been through, by name: not asked again. */
  readonly passed?: readonly string[];
  /** Called with the name of a runner that is through, before the next one is asked. */
  readonly onPassed?: (runner: string) => void;
  readonly onStatus?: (status: GateStatus) => void;
};

/** Runs what others have to do at a moment of the instance's life. */
export type Hooks = AsyncDisposable & {
  /** Whether there is anything to run: if not, its input need not be prepared. */
  has(name: HookName): boolean;
  /** @throws the signal's reason, at once, when it aborts */
  gate<Name extends GateName>(name: Name, input: HookInputs[Name], options: GateOptions): Promise<GateOutcome>;
  /**
   * Never throws and never waits; notices of one kind keep their order.
   *
   * @param options - `attempt`: 1 unless the agent was interrupted in this notice before; `onTold`: called when all have been
   * told, whatever came of it, but not when the agent stops before
   */
  notify<Name extends NoticeName>(
    name: Name,
    input: HookInputs[Name],
    options?: { readonly attempt?: number; readonly onTold?: () => void },
  ): void;
  /** Gives the notices that are due `ms` to be told. */
  settle(ms: number): Promise<void>;
  /** What is wrong with what is there to be run, when the hooks were created; it is in the log, too. */
  readonly problems: Promise<readonly AgentError[]>;
  /** Ends what is running, and waits until it is gone. What scripts have left running stays. */
  close(): Promise<void>;
};

/** Attempts over which the agent may end: then they are taken for the cause. */
const mostInterrupted = 5;

const defaultTiming: HookTiming = {
  graceMs: 10_000,
  closeGraceMs: 400,
  holdLimitMs: 600_000,
  holdDelayMs: 5_000,
  retryDelaysMs: [1_000, 5_000, 15_000],
};

/**
 * @param options - `plugins`: what plugins have for a hook, beside the executables; `interrupted`: the gates over which an
 * earlier run ended, which are run again; `environment`: the agent's own;
 * `facts`: what is known now, asked before each run; `owner`: on whose behalf, the same after a restart and nobody else's on this machine: what an earlier run left is found by it
 * @see plugins.md
 */
export function createHooks(options: {
  readonly config: HookSettings;
  readonly instance: HookInstance;
  readonly plugins?: RunnerSource;
  readonly interrupted?: readonly GateName[];
  readonly log: Log;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly facts: () => CommonValues;
  readonly owner: string;
  readonly temporaryFolder?: string;
  readonly faults?: Faults;
  readonly onRan?: (run: RanHook) => void;
  /** Told what is wrong with what is there to be run, whenever that has changed. */
  readonly onProblems?: (problems: readonly AgentError[]) => void;
  /** Told of a script of the originals that failed to take a notice, and once it takes one again: null. */
  readonly onTrouble?: (script: string, reason: string | null) => void;
  readonly timing?: Partial<HookTiming>;
}): Hooks {
  const { config, temporaryFolder = tmpdir() } = options;
  const log = options.log.child({ part: 'hooks' });
  const folderPrefix = `cartridge-hook-${createHash('sha256').update(options.owner).digest('hex').slice(0, 12)}-`;
  const timing = { ...defaultTiming, ...options.timing };
  const reaper = createReaper({ log, graceMs: timing.graceMs, hurriedGraceMs: timing.closeGraceMs });
  const spare = createSpare({ parent: temporaryFolder, prefix: folderPrefix });
  const runnerOf = createExecutableRunners({ ...options, temporaryFolder, folderPrefix, spare, log, reaper });
  const where = { extensionsDir: config.extensionsDir, ...(options.plugins && { plugins: options.plugins }) };
  const lookup = createLookup({ ...where, runnerOf, log });
  const ask = createAsking({ ...options, timeoutMs: config.timeoutMs, graceMs: timing.graceMs, log });
  const interrupted = endInterrupted({ parent: temporaryFolder, prefix: folderPrefix, reaper, log });
  const notices = createNotices({ log });
  const closing = new AbortController();
  const onFound = options.onProblems ?? (() => {});
  const problems = watchProblems({ check: () => checkHooks(where), onFound, log, signal: closing.signal });
  const troubled = new Set<string>();
  const passings = new Set<Promise<GateOutcome>>();
  const untold = new Set<HookName>(options.interrupted);

  return { has: lookup.has, gate, notify, settle, problems, close, [Symbol.asyncDispose]: close };

  async function gate<Name extends GateName>(
    name: Name,
    input: HookInputs[Name],
    { signal, budgetMs, attempt = 1, passed = [], onPassed = () => {}, onStatus = () => {} }: GateOptions,
  ): Promise<GateOutcome> {
    const joined = AbortSignal.any([signal, closing.signal]);
    joined.throwIfAborted();
    const isLeaving = name === 'drain' || name === 'clean';
    const { runners, error } = lookup.find(name);
    if (error instanceof HookFolderError) {
      log.error({ event: 'hook.blocked', hook: name, ...failure(error) }, 'hook refused');
      if (!isLeaving) return unreadable(name, error);
    }
    const left = runners.filter((runner) => !passed.includes(runner.name));
    const ender = untold.delete(name) ? left[0] : undefined;
    if (ender !== undefined) tellInterrupted(name, ender, attempt - 1);
    const passing = passGate({
      hook: name,
      runners: left,
      isLeaving,
      budgetMs: budgetMs ?? (isLeaving ? timing.holdLimitMs : null),
      firstAttempt: attempt,
      timing,
      ask: async (runner, nth, leftMs) => {
        await unlessAborted(interrupted, joined);
        if (runner === ender && attempt > mostInterrupted) {
          return { kind: 'cannotRun', error: new HookDeadlyError(name, runner.name, attempt - 1) };
        }
        return await ask({ name, input, runner, attempt: nth, leftMs, signal: joined, onStatus });
      },
      onStatus,
      onPassed,
      log: log.child({ hook: name }),
      signal: joined,
    });
    passings.add(passing);
    const outcome = await passing.finally(() => passings.delete(passing));
    return error === null ? outcome : withTrouble(outcome, error.message);
  }

  function notify<Name extends NoticeName>(
    name: Name,
    input: HookInputs[Name],
    { attempt = 1, onTold = () => {} }: Parameters<Hooks['notify']>[2] = {},
  ): void {
    if (closing.signal.aborted) return;
    if (!lookup.has(name)) {
      onTold();
      return;
    }
    notices.add(name, async () => {
      try {
        await tell(name, input, attempt);
      } catch (thrown) {
        if (!closing.signal.aborted) throw thrown;
      } finally {
        if (!closing.signal.aborted) onTold();
      }
    });
  }

  /** The first one that is left: those before it are through, those after it were not asked. */
  function tellInterrupted(hook: GateName, { name: executable }: Runner, attempt: number): void {
    const reason = 'interrupted: the agent ended while it ran';
    log.warn(
      { event: 'hook.interrupted', hook, executable, attempt },
      'a hook is run again: the agent ended while it ran',
    );
    options.onRan?.({ hook, executable, attempt, end: 'failed', reason, durationMs: 0 });
  }

  async function settle(ms: number): Promise<void> {
    const settled = new AbortController();
    const idle = notices.idle().finally(() => settled.abort());
    await Promise.race([idle, setTimeout(ms, undefined, { signal: settled.signal }).catch(() => idle)]);
  }

  async function close(): Promise<void> {
    closing.abort(new Error('the agent stops'));
    notices.clear();
    await Promise.allSettled([...passings, notices.idle(), reaper.hurry(), problems]);
    await Promise.all([reaper.hurry(), spare.close()]); // what the ends of those have asked for, too
  }

  async function tell<Name extends NoticeName>(name: Name, input: HookInputs[Name], attempt: number): Promise<void> {
    const { runners, error } = lookup.find(name);
    for (const runner of runners) await tellOne(runner, name, input, attempt);
    if (error instanceof HookFolderError) throw error;
  }

  async function tellOne<Name extends NoticeName>(
    runner: Runner,
    name: Name,
    input: HookInputs[Name],
    firstAttempt: number,
  ): Promise<void> {
    const delaysMs = timing.retryDelaysMs.slice(0, runner.limits.retries ?? 0);
    for (let attempt = firstAttempt; ; attempt += 1) {
      const end = await ask({ name, input, runner, attempt, leftMs: null, signal: closing.signal });
      if (end.kind === 'done') return tellTrouble(runner, null);
      const delayMs = end.kind === 'failed' ? delaysMs[attempt - firstAttempt] : undefined;
      if (delayMs !== undefined) {
        await setTimeout(delayMs, undefined, { signal: closing.signal });
        continue;
      }
      const said = end.kind === 'failed' ? end.reason : `a notice cannot ${end.kind}`;
      const error = end.kind === 'cannotRun' ? end.error : new HookFailedError(name, runner.name, said);
      const fields = { event: 'notice.failed', hook: name, executable: runner.name, ...failure(error) };
      log.error(fields, 'notice failed');
      return tellTrouble(runner, said);
    }
  }

  function tellTrouble({ name, kind }: Runner, reason: string | null): void {
    const isNews = reason === null ? troubled.delete(name) : kind === 'stratos';
    if (!isNews) return;
    if (reason !== null) troubled.add(name);
    options.onTrouble?.(name, reason);
  }
}

function unreadable(hook: string, { message: reason }: HookFolderError): GateOutcome {
  return { kind: 'blocked', by: 'failure', hook, executable: `${hook}/`, reason };
}

function withTrouble(outcome: GateOutcome, trouble: string): GateOutcome {
  if (outcome.kind === 'blocked') return outcome;
  const { degraded } = outcome;
  return { kind: 'passed', degraded: degraded === undefined ? trouble : `${trouble}; ${degraded}` };
}

/** @throws the signal's reason when it aborts */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  await Promise.race([work, aborted.promise]).finally(() => signal.removeEventListener('abort', abort));
}
