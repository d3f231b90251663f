import { setTimeout as pause } from 'node:timers/promises';
import { AgentError, reasonOf } from '../../state/errors.ts';
import type { StreamDefinition, StreamEvent } from './bundle.ts';
import { addressOf, type Receiver, ReceiverFailedError, SessionExpired } from './failures.ts';
import { type Access, openSession, type Session } from './session.ts';

/** Where a feed takes its events from. */
export type Source = {
  /** What is to be sent now, at least one event; null: nothing. Asked again after a failure, when there may be better. */
  next(): readonly StreamEvent[] | null;
  /** The receiver has them. */
  sent(events: readonly StreamEvent[]): void;
};

/** What a feed reports, and cannot be disturbed by. */
export type FeedReports = {
  opened(): void;
  sent(count: number): void;
  failed(failure: AgentError): void;
};

/** In ms. */
export type FeedTimings = {
  /** For the connection, and for each call. */
  readonly timeoutMs: number;
  /** The pause after the first failure; doubled after each further one. */
  readonly backOffMs: number;
  readonly backOffLimitMs: number;
};

/** A receiver that is back must have statistics before the platform's 60 s are over. */
export const defaultTimings: FeedTimings = { timeoutMs: 10_000, backOffMs: 500, backOffLimitMs: 15_000 };

/** Sends to one receiver, and holds up nobody else. */
export type Feed = {
  /** There may be something to send. */
  wake(): void;
  /** Sends what there still is, for so long at most, and takes leave. */
  end(atMostMs: number): Promise<void>;
};

/**
 * Keeps a session with the receiver while there is something to send, and opens the next one when it ends: after a failure
 * with back-off, for ever; at once when it expired, or was closed while nothing was sent.
 *
 * @see protocol.md section 9.1, "Session"
 */
export function startFeed(options: {
  access: Access;
  definition: StreamDefinition;
  source: Source;
  reports: FeedReports;
  timings?: Partial<FeedTimings>;
}): Feed {
  const { access, definition, source, reports } = options;
  const timings = { ...defaultTimings, ...options.timings };
  const ending = new AbortController();
  const stopping = new AbortController();
  let session: Session | null = null;
  let failures = 0;
  let wake = () => {};
  const running = run();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (source.next() !== null) await sendOrPause();
      else if (ending.signal.aborted) return;
      else {
        const woken = Promise.withResolvers<void>();
        wake = woken.resolve;
        await woken.promise;
      }
    }
  }

  async function sendOrPause(): Promise<void> {
    try {
      await send();
      failures = 0;
    } catch (thrown) {
      session?.close();
      session = null;
      // Nobody waits for another attempt.
      if (ending.signal.aborted) stopping.abort();
      if (stopping.signal.aborted) return;
      failures += 1;
      // The first time that is how it should be; a receiver that ends each session at once is as good as away.
      if (thrown instanceof SessionExpired && failures === 1) return;
      reports.failed(failureOf(thrown, access.receiver));
      await backOff();
    }
  }

  async function send(): Promise<void> {
    if (session?.isOpen !== true) {
      session?.close();
      session = null;
      session = await openSession(access, definition, { timeoutMs: timings.timeoutMs, signal: stopping.signal });
      reports.opened();
    }
    // Asked for only now: to open a session may have taken a while.
    const events = source.next();
    if (events === null) return;
    await session.publish(events);
    source.sent(events);
    reports.sent(events.length);
  }

  async function backOff(): Promise<void> {
    const ms = Math.min(timings.backOffLimitMs, timings.backOffMs * 2 ** Math.min(failures - 1, 20));
    // Not all members at the same moment.
    await pause(ms * (0.5 + Math.random() / 2), undefined, { signal: ending.signal }).catch(() => {});
  }

  return {
    wake: () => wake(),
    async end(atMostMs) {
      const patience = setTimeout(() => stopping.abort(), atMostMs);
      ending.abort();
      wake();
      await running;
      clearTimeout(patience);
      await session?.leave();
    },
  };
}

/** A defect of ours must not cost the instance its agent: this is told, and tried again, as any failure. */
function failureOf(thrown: unknown, receiver: Receiver): AgentError {
  if (thrown instanceof AgentError) return thrown;
  const reason = thrown instanceof SessionExpired ? 'it ends each session at once' : reasonOf(thrown);
  const options = { cause: thrown, facts: { ...receiver, reason } };
  return new ReceiverFailedError(`cannot use ${addressOf(receiver)}: ${reason}`, options);
}
