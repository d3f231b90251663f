import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { GateName, HookInputs, HookInstance, HookName, NoticeName } from '../../plugins/contract.ts';
import type { Faults } from '../faults.ts';
import { failure, type Log } from '../log.ts';
import { createAsking, type HookSettings, type RanHook } from './asking.ts';
import type { CommonValues } from './environment.ts';
import { type Executable, findExecutables, HookFolderError } from './executables.ts';
import { type GateOutcome, type GateStatus, type GateTiming, HookFailedError, passGate } from './gate.ts';
import { endInterrupted } from './interrupted.ts';
import { createNotices } from './notices.ts';
import { createReaper } from './reaper.ts';

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
  /** The executables an interrupted attempt has been through: not asked again. */
  readonly passed?: readonly string[];
  /** Called with the name of one that is through, before the next one is asked. */
  readonly onPassed?: (executable: string) => void;
  readonly onStatus?: (status: GateStatus) => void;
};

/** Runs what others have to do at a moment of the instance's life. */
export type Hooks = AsyncDisposable & {
  /** Whether there is anything to run: if not, its input need not be prepared. */
  has(name: HookName): boolean;
  /** @throws the signal's reason, at once, when it aborts */
  gate<Name extends GateName>(name: Name, input: HookInputs[Name], options: GateOptions): Promise<GateOutcome>;
  /** Never throws and never waits; notices of one kind keep their order. */
  notify<Name extends NoticeName>(name: Name, input: HookInputs[Name]): void;
  /** Gives the notices that are due `ms` to be told. */
  settle(ms: number): Promise<void>;
  /** Ends what is running, and waits until it is gone. What scripts have left running stays. */
  close(): Promise<void>;
};

const defaultTiming: HookTiming = {
  graceMs: 10_000,
  closeGraceMs: 400,
  holdLimitMs: 600_000,
  holdDelayMs: 5_000,
  retryDelaysMs: [1_000, 5_000, 15_000],
};

/**
 * @param options - `environment`: the agent's own; `facts`: what is known now, asked before each run; `owner`: on whose
 * behalf, the same after a restart and nobody else's on this machine: what an earlier run left is found by it
 * @see plugins.md
 */
export function createHooks(options: {
  readonly config: HookSettings;
  readonly instance: HookInstance;
  readonly log: Log;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly facts: () => CommonValues;
  readonly owner: string;
  readonly temporaryFolder?: string;
  readonly faults?: Faults;
  readonly onRan?: (run: RanHook) => void;
  readonly timing?: Partial<HookTiming>;
}): Hooks {
  const { config, temporaryFolder = tmpdir() } = options;
  const log = options.log.child({ part: 'hooks' });
  const folderPrefix = `cartridge-hook-${createHash('sha256').update(options.owner).digest('hex').slice(0, 12)}-`;
  const timing = { ...defaultTiming, ...options.timing };
  const reaper = createReaper({ log, graceMs: timing.graceMs, hurriedGraceMs: timing.closeGraceMs });
  const ask = createAsking({ ...options, temporaryFolder, folderPrefix, log, reaper });
  const interrupted = endInterrupted({ parent: temporaryFolder, prefix: folderPrefix, reaper, log });
  const notices = createNotices({ log });
  const closing = new AbortController();
  const misnamed = new Set<string>();
  const passings = new Set<Promise<GateOutcome>>();

  return { has, gate, notify, settle, close, [Symbol.asyncDispose]: close };

  function has(name: HookName): boolean {
    try {
      const found = findExecutables(config.extensionsDir, name);
      return found.executables.length + found.misnamed.length > 0;
    } catch {
      return true; // there is something to complain about
    }
  }

  async function gate<Name extends GateName>(
    name: Name,
    input: HookInputs[Name],
    { signal, budgetMs, attempt = 1, passed = [], onPassed = () => {}, onStatus = () => {} }: GateOptions,
  ): Promise<GateOutcome> {
    const joined = AbortSignal.any([signal, closing.signal]);
    joined.throwIfAborted();
    const isLeaving = name === 'drain' || name === 'clean';
    const executables = find(name);
    if (executables instanceof HookFolderError) return unreadable(name, executables, isLeaving);
    const passing = passGate({
      hook: name,
      executables: executables.filter((executable) => !passed.includes(executable.name)),
      isLeaving,
      budgetMs: budgetMs ?? (isLeaving ? timing.holdLimitMs : null),
      firstAttempt: attempt,
      timing,
      ask: async (executable, nth, leftMs) => {
        await unlessAborted(interrupted, joined);
        return await ask({ name, input, executable, attempt: nth, leftMs, signal: joined, onStatus });
      },
      onStatus,
      onPassed,
      log: log.child({ hook: name }),
      signal: joined,
    });
    passings.add(passing);
    return await passing.finally(() => passings.delete(passing));
  }

  function notify<Name extends NoticeName>(name: Name, input: HookInputs[Name]): void {
    if (closing.signal.aborted || !has(name)) return;
    notices.add(name, () =>
      tell(name, input).catch((thrown: unknown) => {
        if (!closing.signal.aborted) throw thrown;
      }),
    );
  }

  async function settle(ms: number): Promise<void> {
    const settled = new AbortController();
    const idle = notices.idle().finally(() => settled.abort());
    await Promise.race([idle, setTimeout(ms, undefined, { signal: settled.signal }).catch(() => idle)]);
  }

  async function close(): Promise<void> {
    closing.abort(new Error('the agent stops'));
    notices.clear();
    await Promise.allSettled([...passings, notices.idle(), reaper.hurry()]);
    await reaper.hurry(); // what the ends of those have asked for, too
  }

  /** Looked at afresh each time: operators add scripts. */
  function find(name: HookName): Executable[] | HookFolderError {
    try {
      const found = findExecutables(config.extensionsDir, name);
      for (const file of found.misnamed.filter((file) => !misnamed.has(file))) {
        misnamed.add(file);
        const remedy = 'Name it <number>-<name>, such as 50-warm, or remove it.';
        log.warn(
          { event: 'hook.misnamed', hook: name, file, remedy },
          'file is not run: its name is not that of a hook',
        );
      }
      return found.executables;
    } catch (thrown) {
      if (thrown instanceof HookFolderError) return thrown;
      throw thrown;
    }
  }

  function unreadable(name: GateName, error: HookFolderError, isLeaving: boolean): GateOutcome {
    log.error({ event: 'hook.blocked', hook: name, ...failure(error) }, 'hook refused');
    if (isLeaving) return { kind: 'passed', degraded: error.message };
    return { kind: 'blocked', by: 'failure', hook: name, executable: `${name}/`, reason: error.message };
  }

  async function tell<Name extends NoticeName>(name: Name, input: HookInputs[Name]): Promise<void> {
    const executables = find(name);
    if (executables instanceof HookFolderError) throw executables;
    for (const executable of executables) {
      const end = await ask({ name, input, executable, attempt: 1, leftMs: null, signal: closing.signal });
      if (end.kind === 'done') continue;
      const said = end.kind === 'failed' ? end.reason : `a notice cannot ${end.kind}`;
      const error = end.kind === 'cannotRun' ? end.error : new HookFailedError(name, executable.name, said);
      log.error(
        { event: 'notice.failed', hook: name, executable: executable.name, ...failure(error) },
        'notice failed',
      );
    }
  }
}

/** @throws the signal's reason when it aborts */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  await Promise.race([work, aborted.promise]).finally(() => signal.removeEventListener('abort', abort));
}
