import { AgentError } from '../../state/errors.ts';

/** One event an agent has published. */
export type HeardEvent = {
  readonly event: string;
  readonly topic: string;
  /** As received. */
  readonly text: string;
  /** Empty if the text is not a JSON object. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Epoch milliseconds. */
  readonly at: number;
};

/** Everything agents have said, oldest first, for those who wait for something. */
export type Heard = {
  readonly events: readonly HeardEvent[];
  /** @returns null if there was nothing to hear: a retained message that was deleted */
  take(topic: string, payload: Uint8Array): HeardEvent | null;
  onEvent(listener: (event: HeardEvent) => void): void;
  /**
   * Resolves with the first event of that name that fits, if it has come already at once.
   *
   * @param options - `after`: only what came after that one; `timeoutMs`: default 20 s
   * @throws {@link NotHeardError} when the time is over; the reason of `signal`
   */
  waitFor(
    event: string,
    fits?: (event: HeardEvent) => boolean,
    options?: { readonly after?: HeardEvent; readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<HeardEvent>;
};

/** An agent did not say in time what was expected of it. */
export class NotHeardError extends AgentError {
  override readonly name = 'NotHeardError';
  readonly code = 'PLATFORM_NOT_HEARD';
  readonly remedy = 'Look into the log of the agent for what it waits for.';
}

export function createHeard(): Heard {
  const events: HeardEvent[] = [];
  const listeners = new Set<(event: HeardEvent) => void>();

  return {
    events,
    take(topic, payload) {
      if (payload.length === 0) return null;
      const text = new TextDecoder().decode(payload);
      const event = { event: topic.split('/').at(-1) ?? '', topic, text, body: parseBody(text), at: Date.now() };
      events.push(event);
      for (const listener of [...listeners]) listener(event);
      return event;
    },
    onEvent: (listener) => void listeners.add(listener),
    waitFor(name, fits = () => true, { after, timeoutMs = 20_000, signal } = {}) {
      const isIt = (event: HeardEvent) => event.event === name && fits(event);
      const start = after === undefined ? 0 : events.indexOf(after) + 1;
      const past = events.slice(start).find(isIt);
      if (past !== undefined) return Promise.resolve(past);
      return nextEvent(listeners, isIt, { name, events, timeoutMs, ...(signal === undefined ? {} : { signal }) });
    },
  };
}

function nextEvent(
  listeners: Set<(event: HeardEvent) => void>,
  isIt: (event: HeardEvent) => boolean,
  wait: { name: string; events: readonly HeardEvent[]; timeoutMs: number; signal?: AbortSignal },
): Promise<HeardEvent> {
  const { promise, resolve, reject } = Promise.withResolvers<HeardEvent>();
  const look = (event: HeardEvent) => {
    if (isIt(event)) resolve(event);
  };
  const tooLate = () => {
    const heard = wait.events.map(({ event }) => event);
    reject(new NotHeardError(`cannot hear ${wait.name} within ${wait.timeoutMs} ms`, { facts: { heard } }));
  };
  const stop = () => reject(wait.signal?.reason);
  const timer = setTimeout(tooLate, wait.timeoutMs);
  wait.signal?.addEventListener('abort', stop);
  if (wait.signal?.aborted) stop();
  listeners.add(look);
  return promise.finally(() => {
    clearTimeout(timer);
    listeners.delete(look);
    wait.signal?.removeEventListener('abort', stop);
  });
}

function parseBody(text: string): Readonly<Record<string, unknown>> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : {};
  } catch {
    return {};
  }
}
