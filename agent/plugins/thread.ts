import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { reasonOf } from '../../state/errors.ts';
import type { Log } from '../log.ts';
import { createAllowance } from './allowance.ts';
import { type Answer, createCalls, type Ended, type Listener } from './calls.ts';
import { watchMemory } from './memory-watch.ts';
import {
  type Complaint,
  type Description,
  FromWorker,
  type Task,
  type ToWorker,
  type Word,
  type WorkerStart,
} from './messages.ts';
import type { HostTiming } from './timing.ts';
import { logOutput } from './worker-output.ts';

/** What a plugin says of itself, and what is wrong with that. */
export type Introduction = { readonly description: Description; readonly complaints: readonly Complaint[] };

/** One run of a plugin's worker, from its start to its end. */
export type PluginThread = {
  /** @throws Error with the reason when it cannot be loaded */
  readonly described: Promise<Introduction>;
  /** Resolves with the reason when it is gone, however that came. */
  readonly gone: Promise<string>;
  /** From now on no call can come to anything: it is gone, or is being ended. */
  isEnding(): boolean;
  /**
   * Never rejects. Once `listener.signal` aborts, the plugin is told so; when it does not end the call in a while, that is
   * given up, or its worker is ended, and all its calls have failed.
   */
  call(task: Task, listener: Listener): Promise<Ended>;
  /** Ends the worker. Its calls fail with `reason`. Resolves when it has ended, or cannot be ended in a second. */
  end(reason: string): Promise<void>;
};

/** What a worker is started with, and what it lives on. */
export type ThreadOptions = {
  readonly start: Omit<WorkerStart, 'compileCache'>;
  /** All it sees of ours. */
  readonly environment: Readonly<Record<string, string>>;
  readonly answer: Answer;
  /** Told what it says at any time; when it is gone, that it has nothing to report any more. */
  readonly onWord?: (word: Word) => void;
  /** Takes the secrets out of a text. */
  readonly clean: (text: string) => string;
  /** It goes on although it was ended: nothing can be done about it, but end the process. */
  readonly onUnendable: () => void;
  readonly timing: HostTiming;
  readonly log: Log;
};

const messagesPerSecond = 5_000;
const messageBurst = 20_000;
const endTakesMs = 1_000;

/** Starts the worker of a plugin. */
export function startThread(options: ThreadOptions): PluginThread {
  const { timing, clean, log } = options;
  const described = Promise.withResolvers<Introduction>();
  const gone = Promise.withResolvers<string>();
  const messages = createAllowance(messageBurst, messagesPerSecond);
  let whyGone: string | null = null;

  const worker = startWorker(options);
  const memory = watchMemory(worker, timing, stop);
  const loading = setTimeout(() => stop(`it was not loaded within ${timing.startMs} ms`), timing.startMs);
  const calls = createCalls({
    ...options,
    post: (message: ToWorker) => worker.postMessage(message),
    graceMs: timing.graceMs,
    silentMs: timing.silentMs,
    onLost: stop,
    onSize: (size) => memory.busy(size > 0),
  });
  const loaded = () => {
    clearTimeout(loading);
    memory.busy(calls.size > 0);
  };
  described.promise.then(loaded, loaded); // also when it is gone before anybody asks
  worker.on('message', take);
  worker.on('messageerror', () => log.debug({ event: 'plugin.garbage' }, 'plugin posted what cannot be read'));
  worker.on('error', (thrown: unknown) => {
    whyGone ??= crashOf(thrown, timing);
  });
  worker.once('exit', (code) => leave(whyGone ?? `it called process.exit(${code})`));
  logOutput(worker, options);

  return { described: described.promise, gone: gone.promise, isEnding: () => whyGone !== null, call, end };

  function call(task: Task, listener: Listener): Promise<Ended> {
    return whyGone === null ? calls.start(task, listener) : Promise.resolve({ failed: whyGone });
  }

  function stop(reason: string): void {
    if (whyGone === null) void end(reason);
  }

  async function end(reason: string): Promise<void> {
    whyGone ??= reason;
    const unendable = setTimeout(options.onUnendable, timing.unendableMs).unref();
    const ended = worker.terminate().then(() => clearTimeout(unendable));
    // Not waited for without end: a synchronous call of the system, such as of a child, ends in its own time.
    await Promise.race([ended, timeout(endTakesMs)]);
    leave(whyGone);
  }

  function leave(reason: string): void {
    whyGone = reason;
    memory.stop();
    options.onWord?.({ type: 'report', problem: null });
    described.reject(new Error(reason));
    calls.fail(reason);
    gone.resolve(reason);
  }

  function take(posted: unknown): void {
    if (whyGone !== null) return;
    if (messages.take() === null) {
      stop('it floods the agent with messages');
      return;
    }
    const { data: message } = FromWorker.safeParse(posted);
    if (message === undefined) log.debug({ event: 'plugin.garbage' }, 'plugin posted what is no message');
    else if (message.type === 'described') described.resolve(message);
    else if (message.type === 'broken') described.reject(new Error(clean(message.reason)));
    else if (message.type === 'report' || message.type === 'publish') options.onWord?.(message);
    else calls.take(message);
  }
}

function startWorker({ start, environment, timing }: ThreadOptions): Worker {
  return new Worker(workerFile(), {
    name: `plugin ${start.plugin}`,
    workerData: { ...start, compileCache: compileCache() } satisfies WorkerStart,
    env: { ...environment },
    argv: [],
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: timing.heapCeilingMb, maxYoungGenerationSizeMb: timing.youngLimitMb },
  });
}

/** As we are: source beside source, built beside built. */
function workerFile(): URL {
  const [extension = '.ts'] = /\.[a-z]+$/.exec(import.meta.url) ?? [];
  return new URL(`./worker${extension}`, import.meta.url);
}

/** A worker does not inherit it. The folder we were given: Node names one below it after its own version. */
function compileCache(): string | null {
  const folder = getCompileCacheDir();
  return folder === undefined ? null : dirname(folder);
}

function crashOf(thrown: unknown, { heapCeilingMb }: HostTiming): string {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : null;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return `it ran out of memory: it had ${heapCeilingMb} MB`;
  return `it threw where nobody catches: ${reasonOf(thrown).slice(0, 1_000)}`;
}

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
