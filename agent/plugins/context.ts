import { inspect } from 'node:util';
import type { ExecResult, HookInstance, MetadataClient, PluginContext, PluginLog } from '../../plugins/contract.ts';
import { createAllowance } from './allowance.ts';
import { logTopic } from './log-topic.ts';
import type { Ask, FromWorker, ToWorker, WorkerStart } from './messages.ts';

export type Context = PluginContext<unknown>;

/** The contexts of the calls that are open in this worker. */
export type Contexts = {
  open(call: {
    readonly call: number;
    readonly attempt: number;
    readonly options: unknown;
    readonly instance: HookInstance & { readonly state: string };
  }): Context;
  close(call: number): void;
  take(message: Exclude<ToWorker, { type: 'call' }>): void;
};

const textLimit = 1_000;
const fieldsLimit = 8 * 1024;
const logBurst = 200;
const logPerSecond = 20;
const statusEveryMs = 50;

type Waiting = { readonly call: number; resolve(value: never): void; reject(reason: unknown): void };

/** What a plugin is given is made here, and what it does with that goes to the agent as messages; not too many of them. */
export function createContexts(say: (message: FromWorker) => void, start: WorkerStart): Contexts {
  const open = new Map<number, { abort: AbortController; status: Status }>();
  const waiting = new Map<number, Waiting>();
  const logLines = createAllowance(logBurst, logPerSecond);
  let lastId = 0;

  return {
    open({ call, attempt, options, instance }) {
      const abort = new AbortController();
      const status = createStatus((text) => say({ type: 'status', call, text }));
      const extensions = createAllowance(20, 10);
      open.set(call, { abort, status });
      const ask = (what: Ask['what'], ...args: unknown[]) => askAgent(call, what, args);
      const context: Context = {
        options,
        instance,
        signal: abort.signal,
        attempt,
        log: createPluginLog(call),
        status: status.set,
        exec: (command, args = [], execOptions = {}) => ask('exec', command, args, execOptions) as Promise<ExecResult>,
        report: (problem) =>
          say({ type: 'report', problem: problem === null ? null : String(problem).slice(0, textLimit) }),
        publish(topic, payload) {
          if (!logTopic.test(topic)) throw new TypeError(`cannot publish on ${topic}: it is not below logs/`);
          say({ type: 'publish', topic, payload });
        },
        readSecret: (name) => ask('readSecret', name) as Promise<string | null>,
        extend(ms) {
          if (open.has(call) && ms > 0 && extensions.take() !== null) say({ type: 'extend', call, ms });
        },
      };
      return start.hasMetadata ? { ...context, metadata: metadataOf(ask) } : context;
    },

    close,

    take(message) {
      if (message.type === 'abort') {
        abortCall(message.call, new Error(message.reason));
        // Behind what the call does about it: whoever loops then has not been heard of.
        setImmediate(() => say({ type: 'heard', call: message.call }));
        return;
      }
      if (message.type === 'forget') {
        close(message.call);
        return;
      }
      const asked = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.type === 'reply') asked?.resolve(message.value as never);
      else asked?.reject(errorOf(message));
    },
  };

  function close(call: number): void {
    open.get(call)?.status.end();
    open.delete(call);
  }

  function askAgent(call: number, what: Ask['what'], args: unknown[]): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const abort = open.get(call)?.abort;
    if (abort === undefined) reject(new Error(`cannot ${what}: the hook has ended`));
    else if (abort.signal.aborted) reject(abort.signal.reason);
    else {
      lastId += 1;
      waiting.set(lastId, { call, resolve, reject });
      say({ type: 'ask', call, id: lastId, what, args });
    }
    return promise;
  }

  /** What the call waits for is ended by the agent; the plugin need not wait for that. */
  function abortCall(call: number, reason: Error): void {
    open.get(call)?.abort.abort(reason);
    for (const [id, asked] of waiting) {
      if (asked.call !== call) continue;
      waiting.delete(id);
      asked.reject(reason);
    }
  }

  function createPluginLog(call: number): PluginLog {
    const line = (level: keyof PluginLog) => (fields: object | string, message?: string) => {
      const suppressed = logLines.take();
      if (suppressed === null) return;
      const text = typeof fields === 'string' ? fields : (message ?? '');
      say({
        type: 'log',
        call,
        level,
        fields: typeof fields === 'string' ? '{}' : jsonOf(fields),
        message: text.slice(0, textLimit),
        ...(suppressed > 0 && { suppressed }),
      });
    };
    return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  }
}

type Status = { set(text: string): void; end(): void };

/** The first at once, then the newest of each while: it is for people. */
function createStatus(send: (text: string) => void): Status {
  let sentAtMs = Number.NEGATIVE_INFINITY;
  let newest: string | null = null;
  let timer: NodeJS.Timeout | null = null;
  let ended = false;
  const flush = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (newest !== null) send(newest);
    newest = null;
    sentAtMs = performance.now();
  };
  return {
    set(text) {
      if (ended) return;
      newest = String(text).slice(0, textLimit);
      const waitMs = sentAtMs + statusEveryMs - performance.now();
      if (waitMs <= 0) flush();
      else timer ??= setTimeout(flush, waitMs).unref();
    },
    end() {
      flush();
      ended = true;
    },
  };
}

function metadataOf(ask: (what: Ask['what'], ...args: unknown[]) => Promise<unknown>): MetadataClient {
  return {
    get: (key, options) => ask('metadata.get', key, options) as Promise<readonly string[] | null>,
    put: (key, values, options) => ask('metadata.put', key, values, options) as Promise<void>,
    delete: (key, value) => ask('metadata.delete', key, value) as Promise<void>,
  };
}

function errorOf({ reason, code }: { reason: string; code: string | null }): Error {
  return code === null ? new Error(reason) : Object.assign(new Error(reason), { code });
}

/** Errors with their message and stack; what JSON cannot say as Node would print it. */
function jsonOf(fields: object): string {
  const readable = (_key: string, value: unknown) => {
    if (value instanceof Error) return { name: value.name, message: value.message, stack: value.stack };
    return typeof value === 'bigint' ? value.toString() : value;
  };
  try {
    const json = JSON.stringify(fields, readable);
    if (json !== undefined && json.length <= fieldsLimit) return json;
    return JSON.stringify({ text: json?.slice(0, fieldsLimit) });
  } catch {
    return JSON.stringify({ text: inspect(fields, { depth: 2, maxStringLength: textLimit }).slice(0, fieldsLimit) });
  }
}
