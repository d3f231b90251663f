import { hooks, isHookName } from '../../plugins/contract.ts';
import { reasonOf } from '../../state/errors.ts';
import { shownExactly } from '../../state/status/duration.ts';
import type { Log } from '../log.ts';
import { type Ending, watchEnding } from './late.ts';
import type { Ask, FromWorker, Task, ToWorker } from './messages.ts';

/** How a call ended: with what was returned, or with the reason of its failure. */
export type Ended = { readonly value: unknown } | { readonly failed: string };

/** Who is told of a call while it runs. */
export type Listener = {
  readonly signal: AbortSignal;
  /** For the plugin, once the signal has aborted. */
  readonly whyAborted: () => string;
  readonly attempt: number;
  readonly onStatus: (text: string) => void;
  readonly onExtend: (ms: number) => void;
};

/** Gives a plugin what it asks for; the signal aborts with the call. @throws what the plugin is told */
export type Answer = (ask: Ask, signal: AbortSignal, log: Log) => Promise<unknown>;

/** The calls that are open in one worker. */
export type Calls = {
  readonly size: number;
  /** Never rejects. */
  start(task: Task, listener: Listener): Promise<Ended>;
  take(message: CallMessage): void;
  /** All of them have failed. */
  fail(reason: string): void;
};

type CallMessage = Exclude<FromWorker, { type: 'described' | 'broken' | 'report' | 'publish' }>;
type OpenCall = Listener & {
  readonly name: string;
  readonly over: AbortSignal;
  /** Told to end, it was heard. */
  heard(): void;
  finish(ended: Ended): void;
};

/**
 * @param options - `post`: to the worker; `graceMs`: for a call that was told to end; `silentMs`: until a worker that does
 * not listen is taken for lost, unless it is a gate that waits for it; `onLost`: the worker is to be ended; `onSize`: told
 * how many are open whenever that changes; `clean`: takes the secrets out of a text
 */
export function createCalls(options: {
  readonly post: (message: ToWorker) => void;
  readonly answer: Answer;
  readonly graceMs: number;
  readonly silentMs: number;
  readonly onLost: (reason: string) => void;
  readonly onSize: (size: number) => void;
  readonly clean: (text: string) => string;
  readonly log: Log;
}): Calls {
  const { post, clean, log } = options;
  const calls = new Map<number, OpenCall>();
  let lastCall = 0;

  return {
    get size() {
      return calls.size;
    },
    start,
    take(message) {
      const open = calls.get(message.call);
      if (message.type === 'log') logFor(open, message);
      else if (message.type === 'ask') answer(message, open);
      else tell(open, message);
    },
    fail(reason) {
      for (const open of [...calls.values()]) open.finish({ failed: reason });
    },
  };

  function start(task: Task, listener: Listener): Promise<Ended> {
    lastCall += 1;
    const call = lastCall;
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const over = new AbortController();
    const startedAt = performance.now();
    let ending: Ending | null = null;
    const abort = () => {
      post({ type: 'abort', call, reason: listener.whyAborted() });
      ending = awaitEnd(task, call, shownExactly(performance.now() - startedAt));
    };
    const finish = (ended: Ended) => {
      ending?.[Symbol.dispose]();
      listener.signal.removeEventListener('abort', abort);
      calls.delete(call);
      options.onSize(calls.size);
      over.abort(new Error('the hook has ended'));
      resolve(ended);
    };
    calls.set(call, { ...listener, name: task.name, finish, heard: () => ending?.heard(), over: over.signal });
    options.onSize(calls.size);
    post({ type: 'call', call, task });
    listener.signal.addEventListener('abort', abort);
    if (listener.signal.aborted) abort();
    return promise;
  }

  /**
   * A gate that goes on takes its worker along, so that the next attempt is alone: but not what else that worker has in
   * hand. Nobody waits for the others, and they are given up alone.
   */
  function awaitEnd(task: Task, call: number, lasted: string): Ending {
    const { graceMs, onLost } = options;
    const isAside = isWaitedForByNobody(task);
    const late = `${task.name} was not done in ${lasted}, and did not end when told`;
    return watchEnding({
      graceMs,
      silentMs: isAside ? options.silentMs : graceMs,
      onLate: () => (isAside || calls.size > 1 ? giveUp(call, late) : onLost(late)),
      onDeaf: () => onLost(`${task.name} was not done in ${lasted}, and its worker does not listen: it loops, perhaps`),
    });
  }

  function giveUp(call: number, failed: string): void {
    post({ type: 'forget', call });
    log.debug({ event: 'plugin.callGivenUp', call, reason: failed }, 'a call of a plugin is given up');
    calls.get(call)?.finish({ failed });
  }

  /** What comes after the end of a call is too late. */
  function tell(open: OpenCall | undefined, message: Exclude<CallMessage, { type: 'log' | 'ask' }>): void {
    if (message.type === 'ended') open?.finish({ value: message.value });
    else if (message.type === 'failed') open?.finish({ failed: clean(message.reason) });
    else if (message.type === 'heard') open?.heard();
    else if (message.type === 'status') open?.onStatus(clean(message.text));
    else open?.onExtend(message.ms);
  }

  function answer(ask: Ask, open: OpenCall | undefined): void {
    const { id } = ask;
    if (open === undefined) {
      post({ type: 'refusal', id, reason: 'the hook has ended', code: null });
      return;
    }
    const signal = AbortSignal.any([open.signal, open.over]);
    options
      .answer(ask, signal, log.child({ hook: open.name, attempt: open.attempt }))
      .then((value) => post({ type: 'reply', id, value }))
      .catch((thrown: unknown) => {
        const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : null;
        post({ type: 'refusal', id, reason: reasonOf(thrown), code });
      });
  }

  function logFor(open: OpenCall | undefined, line: Extract<CallMessage, { type: 'log' }>): void {
    const { level, message, fields, suppressed } = line;
    const where = open === undefined ? {} : { hook: open.name, attempt: open.attempt };
    const rest = suppressed === undefined ? {} : { suppressed };
    log[level]({ event: 'plugin.log', ...where, fields: parsed(clean(fields)), ...rest }, clean(message));
  }
}

function isWaitedForByNobody({ what, name }: Task): boolean {
  return what === 'health' || (what === 'hook' && isHookName(name) && hooks[name].kind === 'notice');
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
