import type { HookInputs, HookInstance, HookName } from '../../plugins/contract.ts';
import type { Faults } from '../faults.ts';
import type { Log } from '../log.ts';
import { type CommonValues, type ScriptSettings, scriptEnvironment } from './environment.ts';
import { type Executable, HookUnusableError, inspectExecutable } from './executables.ts';
import type { Asked, GateStatus } from './gate.ts';
import { inputDocument } from './input.ts';
import type { Reaper } from './reaper.ts';
import { runExecutable } from './run.ts';

/** What the configuration says of hooks. */
export type HookSettings = ScriptSettings & {
  readonly extensionsDir: string;
  /** For one run of one executable. */
  readonly timeoutMs: number;
};

/** One executable, asked once. */
export type Question<Name extends HookName> = {
  readonly name: Name;
  readonly input: HookInputs[Name];
  readonly executable: Executable;
  /** Counted from 1. */
  readonly attempt: number;
  /** What is left of the budget; null if there is none. */
  readonly leftMs: number | null;
  readonly onStatus?: (status: GateStatus) => void;
  readonly signal: AbortSignal;
};

/** One run of one executable, once it has ended. */
export type RanHook = {
  readonly hook: HookName;
  readonly executable: string;
  readonly attempt: number;
  readonly end: Asked['kind'];
  /** Null if it is done. */
  readonly reason: string | null;
  readonly durationMs: number;
};

/** A script may move its own limit this many times as far. */
const extensionFactor = 10;

/**
 * Makes the function that tells an executable what a hook is told, runs it and says how that ended.
 *
 * @param options - `environment`: the agent's own; `facts`: what is known now, asked before each run
 */
export function createAsking(options: {
  readonly config: HookSettings;
  readonly instance: HookInstance;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly facts: () => CommonValues;
  readonly temporaryFolder: string;
  readonly folderPrefix: string;
  readonly faults?: Faults;
  readonly onRan?: (run: RanHook) => void;
  readonly reaper: Reaper;
  readonly log: Log;
}) {
  const { config, instance, environment, reaper, onRan = () => {} } = options;

  /** @throws the signal's reason when it aborts */
  return async function ask<Name extends HookName>(question: Question<Name>): Promise<Asked> {
    const { name, input, executable, attempt, leftMs, onStatus, signal } = question;
    const log = options.log.child({ hook: name, executable: executable.name, attempt });
    const startedAt = performance.now();
    const unusable = await problemOf(executable);
    if (unusable !== null) {
      onRan(ranHook(question, { kind: 'cannotRun', error: unusable }, startedAt));
      return { kind: 'cannotRun', error: unusable };
    }
    const facts = options.facts();
    options.faults?.('spawn');
    const end = await runExecutable({
      path: executable.path,
      args: argumentsOf(question),
      workingFolder: config.extensionsDir,
      temporaryFolder: options.temporaryFolder,
      folderPrefix: options.folderPrefix,
      environment: scriptEnvironment({ hook: name, input, attempt, settings: config, facts, environment }),
      stdin: inputDocument(name, input, instance),
      limitMs: limitMs(name, config.timeoutMs, leftMs),
      limitCapMs: leftMs ?? config.timeoutMs * extensionFactor,
      leavesAtLimit: leftMs !== null,
      onStatus: (text) => onStatus?.({ kind: 'status', executable: executable.name, text }),
      reaper,
      log,
      signal,
    });
    log.info({ event: 'hook.ran', end: end.kind, durationMs: Math.round(performance.now() - startedAt) }, 'hook ran');
    onRan(ranHook(question, end, startedAt));
    return end;
  };
}

function ranHook({ name, executable, attempt }: Question<HookName>, end: Asked, startedAt: number): RanHook {
  const durationMs = Math.round(performance.now() - startedAt);
  const reason = end.kind === 'cannotRun' ? end.error.message : end.kind === 'done' ? null : end.reason;
  return { hook: name, executable: executable.name, attempt, end: end.kind, reason, durationMs };
}

async function problemOf(executable: Executable): Promise<HookUnusableError | null> {
  try {
    await inspectExecutable(executable.path);
    return null;
  } catch (thrown) {
    if (thrown instanceof HookUnusableError) return thrown;
    throw thrown;
  }
}

/** The shipped VolumeMount.sh reads its first argument. @see protocol.md section 7.1 */
function argumentsOf<Name extends HookName>({ name, input }: Question<Name>): string[] {
  return name === 'volumeMount' && 'persistenceMapping' in input ? [input.persistenceMapping] : [];
}

/** Drain and clean may take all the time there is. */
function limitMs(name: HookName, timeoutMs: number, leftMs: number | null): number {
  if (leftMs === null) return timeoutMs;
  return name === 'drain' || name === 'clean' ? leftMs : Math.min(timeoutMs, leftMs);
}
