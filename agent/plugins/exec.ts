import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { ExecResult } from '../../plugins/contract.ts';
import { noteProcess } from '../hooks/interrupted.ts';
import type { Reaper } from '../hooks/reaper.ts';
import { createWorkspace, type Workspace } from '../hooks/workspace.ts';
import type { Log } from '../log.ts';

/** What a plugin asks for with `exec`. */
export const Program = z.tuple([
  z.string().min(1),
  z.array(z.string()),
  z.strictObject({
    timeoutMs: z.number().positive().optional(),
    env: z.record(z.string(), z.string()).optional(),
    cwd: z.string().optional(),
    input: z.string().optional(),
  }),
]);
export type Program = z.infer<typeof Program>;

/** Where and for whom programs are run. */
export type ExecSurroundings = {
  /** PATH, LANG and HOME of the agent. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where a note of each is kept while it runs, for the next agent should this one be killed. */
  readonly temporaryFolder: string;
  readonly folderPrefix: string;
  readonly reaper: Reaper;
};

const outputLimitBytes = 1024 * 1024;
const longestTimerMs = 2 ** 31 - 1;

/**
 * Runs a program in a process group of its own, here and not in the worker: a thread that is ended leaves its children
 * behind. The first MiB of each stream is kept.
 *
 * @throws when it cannot be started; the signal's reason when it aborts, once the group is gone
 */
export async function runProgram(
  [command, args, options]: Program,
  run: ExecSurroundings & { readonly folder: string; readonly log: Log; readonly signal: AbortSignal },
): Promise<ExecResult> {
  run.signal.throwIfAborted();
  await using note = await createWorkspace({
    parent: run.temporaryFolder,
    prefix: run.folderPrefix,
    files: new Map([['stdin', options.input ?? '']]),
    log: run.log,
  });
  run.signal.throwIfAborted();
  const child = start([command, args, options], note, run);
  const ended = endOf(child, run);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(run.signal.reason);
  const timer = setTimeout(
    () => stop(child, run.reaper),
    Math.min(options.timeoutMs ?? longestTimerMs, longestTimerMs),
  );
  run.signal.addEventListener('abort', abort);
  try {
    return await Promise.race([ended, aborted]);
  } catch (thrown) {
    await stop(child, run.reaper);
    throw thrown;
  } finally {
    clearTimeout(timer);
    run.signal.removeEventListener('abort', abort);
  }
}

type Child = ChildProcess & { readonly stdout: Readable; readonly stderr: Readable };

/** Its input is a file: by that it is known, should the agent be killed before there is a note of it. */
function start([command, args, options]: Program, note: Workspace, run: { folder: string } & ExecSurroundings): Child {
  const input = note.variables['stdin'];
  const stdin = input === undefined ? null : openSync(input, 'r');
  try {
    const child = spawn(command, args, {
      cwd: options.cwd ?? run.folder,
      env: { ...run.environment, ...options.env },
      stdio: [stdin ?? 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    noteProcess(note.folder, child.pid);
    child.stdin?.on('error', () => {}); // a program need not read what it is given
    child.stdin?.end(options.input);
    return child as Child;
  } finally {
    if (stdin !== null) closeSync(stdin);
  }
}

async function endOf(child: Child, run: { reaper: Reaper; log: Log }): Promise<ExecResult> {
  const [stdout, stderr] = [keep(child.stdout), keep(child.stderr)];
  const { promise, resolve, reject } = Promise.withResolvers<{ exitCode: number | null; signal: string | null }>();
  child.once('error', reject);
  child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  const end = await promise;
  await drained(child);
  leave(child, run);
  return { ...end, stdout: stdout(), stderr: stderr() };
}

function keep(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let keptBytes = 0;
  stream.on('error', () => {});
  stream.on('data', (chunk: Buffer) => {
    const kept = chunk.subarray(0, outputLimitBytes - keptBytes);
    keptBytes += kept.length;
    if (kept.length > 0) chunks.push(kept);
  });
  return () => Buffer.concat(chunks).toString();
}

/** What it said last may still be on its way; a child that stays may go on talking, so not for ever. */
async function drained({ stdout, stderr }: Child): Promise<void> {
  const seen = () => ('bytesRead' in stdout && 'bytesRead' in stderr ? `${stdout.bytesRead} ${stderr.bytesRead}` : '');
  for (let turn = 0, before = ''; turn < 100 && before !== seen(); turn += 1) {
    before = seen();
    await setImmediate();
    await setImmediate();
  }
}

/** What it has started stays (a daemon), and must not die of its next word. */
function leave({ stdin, stdout, stderr }: Child, run: { reaper: Reaper; log: Log }): void {
  stdin?.destroy();
  const held = [stdout, stderr].filter((end) => !end.readableEnded && !end.destroyed);
  for (const end of held) {
    end.removeAllListeners('data');
    end.resume();
  }
  if (held.length > 0) run.reaper.leave(held as never, { folder: null, log: run.log });
}

async function stop({ pid }: Child, reaper: Reaper): Promise<void> {
  if (pid !== undefined) await reaper.stop(pid);
}
