import type { NoticeName } from '../../plugins/contract.ts';
import { failure, type Log } from '../log.ts';

/** Tells notices in the background: those of one kind one after another, different kinds side by side. */
export type Notices = {
  /** Never waits, never throws. */
  add(name: NoticeName, tell: () => Promise<void>): void;
  /** Forgets those not yet begun. */
  clear(): void;
  /** Resolves when none is left, also of those that come meanwhile. */
  idle(): Promise<void>;
};

/** Of these only the newest matters, and each may have tens of megabytes. */
const newestOnly: readonly NoticeName[] = ['completeTopology', 'completeTenant'];
const waitingLimit = 1_000;

/** When more than 1000 of a kind wait, the oldest are dropped. A slow script cannot take the memory of the agent. */
export function createNotices({ log }: { log: Log }): Notices {
  const waiting = new Map<NoticeName, (() => Promise<void>)[]>();
  const telling = new Map<NoticeName, Promise<void>>();
  const dropped = new Map<NoticeName, number>();

  return {
    add(name, tell) {
      const queue = waiting.get(name) ?? [];
      waiting.set(name, queue);
      if (queue.push(tell) > (newestOnly.includes(name) ? 1 : waitingLimit)) {
        queue.shift();
        reportDrop(name);
      }
      if (!telling.has(name)) telling.set(name, tellAll(name, queue));
    },
    clear() {
      for (const queue of waiting.values()) queue.length = 0;
    },
    async idle() {
      while (telling.size > 0) await Promise.all(telling.values());
    },
  };

  async function tellAll(name: NoticeName, queue: (() => Promise<void>)[]): Promise<void> {
    await null; // so that `telling` knows of us before we can be done
    for (let tell = queue.shift(); tell !== undefined; tell = queue.shift()) {
      // A notice cannot change anything, so its failure cannot either.
      await tell().catch((thrown: unknown) => {
        log.error({ event: 'notice.failed', hook: name, ...failure(thrown) }, 'notice failed');
      });
    }
    telling.delete(name);
    const count = dropped.get(name);
    dropped.delete(name);
    if (count !== undefined) log.warn({ event: 'notice.dropped', hook: name, dropped: count }, 'notices were dropped');
  }

  function reportDrop(name: NoticeName): void {
    const count = dropped.get(name) ?? 0;
    dropped.set(name, count + 1);
    if (count > 0 || newestOnly.includes(name)) return; // the rest is told at the end, in one line
    log.warn({ event: 'notice.dropping', hook: name }, 'notices come faster than their scripts take them');
  }
}
