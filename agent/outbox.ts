import { setTimeout as pause } from 'node:timers/promises';
import type { StatusEvent } from '../state/lifecycle/context.ts';
import type { Broker } from './broker/broker.ts';
import type { Faults } from './faults.ts';
import { failure, type Log } from './log.ts';

/** A status event on its way: the topic and the exact bytes that were decided. */
export type Letter = { readonly event: StatusEvent; readonly topic: string; readonly payload: string };

/** Delivers status events to the broker: in order, one after the other, at least once, however long it takes. */
export type Outbox = {
  /** Puts a letter at the end of the queue. */
  post(letter: Letter): void;
  /**
   * Resolves when every letter about `event` is out: acknowledged, or the link has been down for 2 s.
   *
   * @param options - `atMostMs`: or that much time has passed; null means no such limit
   */
  out(event: string, options: { atMostMs: number | null; signal: AbortSignal }): Promise<void>;
  /** Resolves when nothing is left. */
  flushed(signal: AbortSignal): Promise<void>;
  readonly waiting: readonly Letter[];
};

/** @see plugins.md, "Out" (design.md, "The lifecycle machine") */
const linkDownLimitMs = 2_000;
/** A broker that takes nothing from us (MQTT 5 can say so) is asked again, ever slower. */
const retryMs = 1_000;
const retryLimitMs = 60_000;

/**
 * @param options - `undelivered`: what an earlier run has decided; `isDue`: asked of each of those when its turn comes, it
 *   may have been delivered without our knowing; `receipt`: called when the broker has acknowledged a
 *   letter, and on disk before the next one leaves; `signal`: delivers nothing more once aborted
 */
export function createOutbox(options: {
  broker: Broker;
  log: Log;
  undelivered: readonly Letter[];
  isDue: (letter: Letter, signal: AbortSignal) => Promise<boolean>;
  receipt: (letter: Letter) => void;
  signal: AbortSignal;
  faults: Faults;
}): Outbox {
  const { broker, log, receipt, faults } = options;
  const waiting: Letter[] = [...options.undelivered];
  const watchers = new Set<() => void>();
  let delivering = false;

  async function deliver(): Promise<void> {
    if (delivering) return;
    delivering = true;
    for (let letter = waiting[0]; letter !== undefined; letter = waiting[0]) {
      const since = performance.now();
      const isDue = !options.undelivered.includes(letter) || (await mayStillLeave(letter));
      if (isDue && !(await publishOnce(letter))) return;
      waiting.shift();
      receipt(letter);
      const durationMs = Math.round(performance.now() - since);
      if (isDue) log.info({ event: 'status.published', status: letter.event, durationMs }, 'status event published');
      else log.info({ event: 'status.leftOut', status: letter.event }, 'status event was taken already');
      for (const look of [...watchers]) look();
    }
    delivering = false;
  }

  /** True when we are closing before anybody can tell: then it is not delivered now either way. */
  function mayStillLeave(letter: Letter): Promise<boolean> {
    return options.isDue(letter, options.signal).catch(() => true);
  }

  /** Waits out losses of the link (the broker sends again by itself); false when we are closing. */
  async function publishOnce(letter: Letter): Promise<boolean> {
    for (let attempt = 0; !options.signal.aborted; attempt += 1) {
      try {
        // Subscribed first: what the platform says in answer comes once.
        await broker.up(options.signal);
        faults('publish');
        await broker.publish(letter.topic, letter.payload, { qos: 1 });
        return true;
      } catch (thrown) {
        if (options.signal.aborted) return false;
        const remedy = 'Allow this user to publish on instance/status/# in the access list of the broker.';
        const facts = { status: letter.event, topic: letter.topic, remedy, ...failure(thrown) };
        log.warn({ event: 'status.notPublished', ...facts }, 'the broker did not take a status event, trying again');
        const pauseMs = Math.min(retryLimitMs, retryMs * 2 ** attempt);
        await pause(pauseMs, undefined, { signal: options.signal }).catch(() => {});
      }
    }
    return false;
  }

  function until(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!isDone() && !signal.aborted) return;
        watchers.delete(look);
        signal.removeEventListener('abort', look);
        if (isDone()) resolve();
        else reject(signal.reason);
      };
      watchers.add(look);
      signal.addEventListener('abort', look);
      look();
    });
  }

  void deliver();
  return {
    waiting,
    post(letter) {
      waiting.push(letter);
      void deliver();
    },
    async out(event, { atMostMs, signal }) {
      const settled = new AbortController();
      const both = AbortSignal.any([signal, settled.signal]);
      const ways = [until(() => !waiting.some((letter) => letter.event === event), both), downFor(broker, both)];
      if (atMostMs !== null) ways.push(pause(atMostMs, undefined, { signal: both }));
      await Promise.race(ways.map(quietly)).finally(() => settled.abort());
      signal.throwIfAborted();
    },
    flushed: (signal) => until(() => waiting.length === 0, signal),
  };
}

/** The ways that lost the race are aborted; that is their end, not a failure. */
function quietly(way: Promise<void>): Promise<void> {
  return way.catch(() => {});
}

/** Resolves once the link has been down for the limit, without a break. */
async function downFor(broker: Broker, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const change = new AbortController();
    const { link } = broker;
    // Each failed attempt to come back says `down` again.
    broker.onLink((now) => now === link || change.abort(), AbortSignal.any([signal, change.signal]));
    const undisturbed = AbortSignal.any([signal, change.signal]);
    const limitMs = link === 'down' ? linkDownLimitMs : 2 ** 31 - 1;
    const still = await pause(limitMs, true, { signal: undisturbed }).catch(() => false);
    if (still) return;
  }
}
