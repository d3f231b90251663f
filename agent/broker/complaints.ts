import { failure, type Log } from '../log.ts';
import { needsPerson, textOf, told as withRemedy } from './failures.ts';
import type { Server } from './stream.ts';

/** What a person should be told of the link, beside the log. `blocked`: somebody must act. */
export type LinkNote = { readonly condition: 'waiting' | 'blocked' | 'degraded'; readonly text: string };

/** Shorter losses are nobody's business. */
const noteAfterMs = 5_000;

/**
 * Tells why no broker can be used: each reason once per server, the whole of it again every `remindEveryMs`.
 *
 * @param options - `onNote`: called when what a person should know has changed; null: nothing
 */
export function createComplaints(options: {
  log: Log;
  remindEveryMs: number;
  onNote: (note: LinkNote | null) => void;
}) {
  const { log, remindEveryMs, onNote } = options;
  const told = new Set<string>();
  const newest = new Map<string, Error>();
  let downSinceMs: number | null = null;
  let toldAtMs = 0;
  let noted = '';

  /** What no person must mend is waited for, each server with its own reason. */
  function noteOf(downForMs: number): LinkNote | null {
    const all = [...newest];
    const blocking = all.filter(([, err]) => needsPerson(err));
    if (blocking.length === 0 && downForMs < noteAfterMs) return null;
    const reasons = (blocking.length > 0 ? blocking : all).map(([address, err]) => withAddress(address, textOf(err)));
    const text = `no broker can be used: ${reasons.join('; ')}`;
    return { condition: blocking.length > 0 ? 'blocked' : 'waiting', text };
  }

  function note(next: LinkNote | null): void {
    const key = JSON.stringify(next);
    if (key !== noted) onNote(next);
    noted = key;
  }

  return {
    /** What keeps us away from one of the servers until a person acts; null: nothing. */
    get blocking(): Error | null {
      return [...newest.values()].find(needsPerson) ?? null;
    },
    /** The next attempts fail alike, and each of them may say so twice (stack.md, section 2). */
    failed(err: Error, server: Server): void {
      const { host, port } = server;
      const now = performance.now();
      downSinceMs ??= now;
      const downForMs = Math.round(now - downSinceMs);
      newest.set(`${host}:${port}`, err);
      note(noteOf(downForMs));
      const reason = `${host}:${port} ${'code' in err ? err.code : err.message}`;
      const isNews = !told.has(reason);
      told.add(reason);
      const facts = { host, port, ...failure(withRemedy(err, server)) };
      log[isNews ? 'warn' : 'debug']({ event: 'broker.failed', ...facts }, 'cannot reach the broker, trying on');
      if (isNews) toldAtMs = now;
      if (now - toldAtMs < remindEveryMs) return;
      toldAtMs = now;
      log.warn({ event: 'broker.unreachable', downForMs, ...facts }, 'still no broker, trying on');
    },
    /** @param refusal - what the broker does not let us hear, though the link is up */
    settled(refusal: Error | null): void {
      told.clear();
      newest.clear();
      downSinceMs = null;
      note(refusal === null ? null : { condition: 'degraded', text: refusal.message });
    },
  };
}

function withAddress(address: string, text: string): string {
  return text.includes(address) ? text : `${address}: ${text}`;
}
