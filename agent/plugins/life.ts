import { setTimeout } from 'node:timers/promises';
import { shownExactly } from '../../state/status/duration.ts';
import { failure, type Log } from '../log.ts';
import type { Ended, Listener } from './calls.ts';
import type { FoundPlugin } from './discover.ts';
import { PluginOffError } from './failures.ts';
import type { Task } from './messages.ts';
import type { PluginThread } from './thread.ts';
import type { HostTiming } from './timing.ts';
import { unlessAborted } from './unless-aborted.ts';

/** A loaded plugin over all runs of its worker: started again after a crash, a few times, then off. */
export type PluginLife = {
  /** Never rejects: `failed` says why, also when it is off. Waits for a worker to be up, as long as the signal allows. */
  call(task: Task, listener: Listener): Promise<Ended>;
  /** Why nothing of it is called any more; null: it is. */
  off(): PluginOffError | null;
  readonly state: () => 'running' | 'crashed' | 'off';
  readonly crashes: () => number;
  /** It has crashed, and is not started again for so many milliseconds; null: it is up, may be started, or is off. */
  down(): { readonly reason: string; readonly forMs: number } | null;
  close(reason: string): Promise<void>;
};

/**
 * @param first - the worker that has said what the plugin is; it is kept
 * @param startAgain - starts another one
 */
export function createPluginLife(options: {
  readonly found: FoundPlugin;
  readonly first: PluginThread;
  readonly startAgain: () => PluginThread;
  readonly timing: HostTiming;
  readonly onOff: (error: PluginOffError) => void;
  readonly log: Log;
}): PluginLife {
  const { found, timing, log } = options;
  let thread: PluginThread | null = null;
  let starting: Promise<PluginThread> | null = null;
  let startedAtMs = 0;
  let mayStartAtMs = 0;
  let crashes = 0;
  let lastCrash = 'it has crashed';
  let off: PluginOffError | null = null;
  const closing = new AbortController();
  own(options.first);

  return { call, off: () => off, state, crashes: () => crashes, down, close };

  async function call(task: Task, listener: Listener): Promise<Ended> {
    try {
      const running = thread?.isEnding() === false ? thread : await unlessAborted(up(), listener.signal);
      const ended = await running.call(task, listener);
      if (running.isEnding()) await running.gone; // so that a crash is counted before anybody hears of it
      return ended;
    } catch (thrown) {
      if (listener.signal.aborted) return { failed: whyNotUp() };
      return { failed: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }

  function own(started: PluginThread): void {
    thread = started;
    startedAtMs = performance.now();
    void started.gone.then((reason) => {
      if (thread === started) thread = null;
      if (!closing.signal.aborted) crashed(reason);
    });
  }

  function crashed(reason: string): void {
    if (performance.now() - startedAtMs >= timing.steadyMs) crashes = 0;
    crashes += 1;
    lastCrash = reason;
    const delayMs = timing.restartDelaysMs[crashes - 1];
    if (delayMs === undefined) {
      off = new PluginOffError(found.name, { crashes, reason });
      log.error({ event: 'plugin.off', ...failure(off) }, 'plugin is off: it has crashed too often');
      options.onOff(off);
      return;
    }
    mayStartAtMs = performance.now() + delayMs;
    log.warn(
      { event: 'plugin.crashed', reason, crashes, delayMs },
      'plugin crashed, will be started when it is needed',
    );
  }

  /** One start for all that wait. @throws PluginOffError */
  function up(): Promise<PluginThread> {
    starting ??= start().finally(() => {
      starting = null;
    });
    return starting;
  }

  async function start(): Promise<PluginThread> {
    for (;;) {
      await thread?.gone; // so that it is counted, and the pause is that of its crash
      await pause(mayStartAtMs - performance.now(), closing.signal);
      if (off !== null) throw off;
      const started = options.startAgain();
      own(started);
      const wrong = await started.described.then(
        ({ complaints: [complaint] }) => complaint?.text ?? null,
        (thrown: Error) => thrown.message,
      );
      if (wrong === null) return started;
      await started.end(wrong);
      await started.gone; // counted as a crash by now
    }
  }

  function down(): { reason: string; forMs: number } | null {
    const forMs = mayStartAtMs - performance.now();
    return thread === null && off === null && forMs > 0 ? { reason: whyNotUp(), forMs } : null;
  }

  /** In one line. */
  function whyNotUp(): string {
    const forMs = mayStartAtMs - performance.now();
    return `${lastCrash}, and is ${forMs > 0 ? `not started again for ${shownExactly(forMs)}` : 'only being started again'}`;
  }

  function state(): 'running' | 'crashed' | 'off' {
    if (off !== null) return 'off';
    return thread === null ? 'crashed' : 'running';
  }

  async function close(reason: string): Promise<void> {
    closing.abort(new Error(reason));
    await thread?.end(reason);
  }
}

/** Also when there is nothing to wait for, the signal counts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms > 0) await setTimeout(ms, undefined, { signal });
}
