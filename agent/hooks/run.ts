import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { reasonOf } from '../../state/errors.ts';
import type { Log } from '../log.ts';
import { type Channels, type Ends, openChannels } from './channels.ts';
import type { ScriptEnvironment } from './environment.ts';
import { noteProcess } from './interrupted.ts';
import { cleanerOf, createOutput, type Output } from './output.ts';
import type { Reaper } from './reaper.ts';
import { createReport, type Report } from './report.ts';
import type { Asked } from './runners.ts';
import type { Spare } from './spare.ts';
import { createWorkspace } from './workspace.ts';

/** One run of one executable. Durations in milliseconds. */
export type Run = {
  readonly path: string;
  readonly args: readonly string[];
  readonly workingFolder: string;
  readonly temporaryFolder: string;
  /** Begins the names of the folders we make there. */
  readonly folderPrefix: string;
  readonly spare?: Spare | undefined;
  readonly environment: ScriptEnvironment;
  readonly stdin: readonly (string | Uint8Array)[];
  /** At the limit, do not wait for it to be gone: somebody's budget is spent. */
  readonly leavesAtLimit: boolean;
  readonly onStatus: (text: string) => void;
  /** How much time it needs beyond its limit. */
  readonly onLengthen: (ms: number) => void;
  readonly reaper: Reaper;
  readonly log: Log;
  /** Aborts at the limit, and when it is overtaken: `overtaken` is that part of it. */
  readonly signal: AbortSignal;
  readonly overtaken: AbortSignal;
};

const exitCodeHold = 75;

/**
 * Runs an executable in a session of its own, and returns when that process has ended, whatever children it leaves. At its
 * limit the whole process group is ended.
 *
 * @throws the reason of `overtaken`, at once, when that aborts; the group is then ended in the background, by `reaper`
 * @see plugins.md, "An executable hook, any language"
 */
export async function runExecutable(run: Run): Promise<Asked> {
  await using workspace = await createWorkspace({
    parent: run.temporaryFolder,
    prefix: run.folderPrefix,
    spare: run.spare,
    files: run.environment.files,
    log: run.log,
  });
  const channels = await openChannels(workspace.folder, run.stdin);
  if (run.signal.aborted) {
    channels.attach(null);
    run.overtaken.throwIfAborted();
    return { kind: 'failed', reason: 'not even started within its time limit' };
  }
  const clean = cleanerOf(run.environment.secrets);
  const output = createOutput({ log: run.log, clean });
  const report = createReport({ log: run.log, clean, onStatus: run.onStatus, onLengthen: run.onLengthen });
  const script = start(run, channels, { ...run.environment.variables, ...workspace.variables });
  noteProcess(workspace.folder, script.group ?? undefined);
  listen(script.ends, output, report);
  try {
    using abort = whenAborted(run.signal);
    const exit = await Promise.race([script.exited, abort.promise]);
    if (exit === null) return await stop(run, script, output);
    await drain(script.ends);
    output.end();
    report.end();
    return endOf(exit, report, output);
  } finally {
    run.spare?.prepare();
    const held = letGo(script.ends);
    if (held.length > 0 && script.hasExited()) run.reaper.leave(held, { folder: workspace.folder, log: run.log });
  }
}

type Exit =
  | { readonly code: number | null; readonly killedBy: NodeJS.Signals | null }
  | { readonly cannotStart: unknown };

type Script = {
  readonly group: number | null;
  readonly ends: Ends | null;
  readonly exited: Promise<Exit>;
  hasExited(): boolean;
};

function start(run: Run, channels: Channels, env: Record<string, string>): Script {
  let child: ChildProcess;
  try {
    child = spawn(run.path, run.args, { cwd: run.workingFolder, env, stdio: channels.stdio, detached: true });
  } catch (cannotStart) {
    const exited = Promise.resolve({ cannotStart });
    return { group: null, ends: channels.attach(null), exited, hasExited: () => false };
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, killedBy) => resolve({ code, killedBy }));
    child.on('error', (cannotStart) => resolve({ cannotStart }));
  });
  const hasExited = () => child.exitCode !== null || child.signalCode !== null;
  return { group: child.pid ?? null, ends: channels.attach(child), exited, hasExited };
}

function listen(ends: Ends | null, output: Output, report: Report): void {
  if (ends === null) return;
  // A script need not read what it is told, and may close what it likes: no end of a pipe is a failure of ours.
  for (const end of Object.values(ends)) end?.on('error', () => {});
  ends.stdout.on('data', output.stdout.take);
  ends.stderr.on('data', output.stderr.take);
  ends.report.on('data', report.take);
}

async function stop(run: Run, { group, ends }: Script, output: Output): Promise<Asked> {
  const gone = group === null ? Promise.resolve() : run.reaper.stop(group);
  using abort = whenAborted(run.overtaken);
  if (!run.leavesAtLimit) await Promise.race([gone.then(() => drain(ends)), abort.promise]);
  output.end();
  run.overtaken.throwIfAborted();
  return { kind: 'failed', reason: withLastWords('not done within its time limit', output) };
}

/** The script is gone, but what it said last may still be in the pipes: reads until they have nothing more to give. */
async function drain(ends: Ends | null): Promise<void> {
  if (ends === null) return;
  const readBytes = () => ends.stdout.bytesRead + ends.stderr.bytesRead + ends.report.bytesRead;
  // A child that stays may go on talking, so not for ever. Two turns: one look at every pipe is surely between them.
  for (let turn = 0, before = -1; turn < 100 && before !== readBytes(); turn += 1) {
    before = readBytes();
    await setImmediate();
    await setImmediate();
  }
}

function endOf(exit: Exit, report: Report, output: Output): Asked {
  if ('cannotStart' in exit) return { kind: 'failed', reason: `cannot be started: ${reasonOf(exit.cannotStart)}` };
  if (exit.killedBy !== null) return { kind: 'failed', reason: withLastWords(`killed by ${exit.killedBy}`, output) };
  const verdict = report.verdict();
  if (verdict?.kind === 'veto') return verdict;
  if (verdict?.kind === 'hold' && (exit.code === 0 || exit.code === exitCodeHold)) return verdict;
  if (exit.code === 0) return { kind: 'done' };
  const reason = withLastWords(`exit code ${exit.code}`, output);
  return exit.code === exitCodeHold ? { kind: 'hold', reason, retryAfterMs: null } : { kind: 'failed', reason };
}

function withLastWords(reason: string, output: Output): string {
  const words = output.lastWords();
  return words === '' ? reason : `${reason}: ${words}`;
}

/**
 * A child that stays (a daemon) would be killed by its next word if we closed: we go on reading, and drop what we read.
 * Returns the ends it has hold of.
 */
function letGo(ends: Ends | null): readonly Socket[] {
  if (ends === null) return [];
  ends.stdin?.destroy();
  const held = [ends.stdout, ends.stderr, ends.report].filter((end: Socket) => !end.readableEnded && !end.destroyed);
  for (const end of held) {
    end.removeAllListeners('data');
    end.resume();
    end.unref();
  }
  return held;
}

/** Null when the signal aborts. No listener is left behind: a signal may live as long as the agent. */
function whenAborted(signal: AbortSignal): Disposable & { promise: Promise<null> } {
  const { promise, resolve } = Promise.withResolvers<null>();
  const tell = () => resolve(null);
  signal.addEventListener('abort', tell);
  if (signal.aborted) tell();
  return { promise, [Symbol.dispose]: () => signal.removeEventListener('abort', tell) };
}
