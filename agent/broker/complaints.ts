import { failure, type Log } from '../log.ts';
import { needsPerson, PublishRefusedError, textOf, told as withRemedy } from './failures.ts';
import type { Server } from './stream.ts';

/** What a person should be told of the link, beside the log. `blocked`: somebody must act. */
export type LinkNote = { readonly condition: 'waiting' | 'blocked' | 'degraded'; readonly text: string };

/** Shorter losses are nobody's business. */
const noteAfterMs = 5_000;

/**
 * Tells why no broker can be used: each reason once per server, the whole of it again every `remindEveryMs`.
 *
 * @param options - `servers`: all that are tried, in turn; `onNote`: called when what a person should know has changed; null: nothing
 */
export function createComplaints(options: {
  log: Log;
  remindEveryMs: number;
  servers: readonly Server[];
  onNote: (note: LinkNote | null) => void;
}) {
  const { log, remindEveryMs, onNote } = options;
  const addresses = new Set(options.servers.map(addressOf));
  const told = new Set<string>();
  const newest = new Map<string, Error>();
  let downSinceMs: number | null = null;
  let toldAtMs = 0;
  let noted = '';
  /** Of the last connection; null: we hear all that we asked for. */
  let unheard: Error | null = null;
  /** By topic, until one is accepted there. */
  const refused = new Map<string, Error>();

  /** What no person must mend is waited for, each server with its own reason. Until each was tried, the next may do. */
  function noteOf(downForMs: number): LinkNote | null {
    if (newest.size < addresses.size) return null;
    const all = [...newest];
    const blocking = all.filter(([, err]) => needsPerson(err));
    if (blocking.length === 0 && downForMs < noteAfterMs) return null;
    const reasons = (blocking.length > 0 ? blocking : all).map(([address, err]) => withAddress(address, textOf(err)));
    const text = `no broker can be used: ${reasons.join('; ')}`;
    return { condition: blocking.length > 0 ? 'blocked' : 'waiting', text };
  }

  /** The link is up. What we may not say keeps the platform from knowing of us; what we may not hear, us from knowing. */
  function noteUp(): void {
    const letters = [...refused.values()].map(({ message }) => message);
    if (letters.length > 0) note({ condition: 'blocked', text: letters.join('; ') });
    else note(unheard === null ? null : { condition: 'degraded', text: unheard.message });
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
    /** The first of the topics on which the broker lets us say nothing. */
    get refused(): Error | null {
      return [...refused.values()][0] ?? null;
    },
    /** Tells of a letter that the broker refuses, until it takes one on that topic. */
    watch(topic: string, letter: Promise<void>): void {
      const accepted = () => {
        if (refused.delete(topic)) noteUp();
      };
      letter.then(accepted, (thrown) => {
        if (!(thrown instanceof PublishRefusedError)) return;
        refused.set(topic, thrown);
        noteUp();
      });
    },
    /** The next attempts fail alike, and each of them may say so twice (stack.md, section 2). */
    failed(err: Error, server: Server): void {
      const { host, port } = server;
      const now = performance.now();
      downSinceMs ??= now;
      const downForMs = Math.round(now - downSinceMs);
      newest.set(addressOf(server), err);
      note(noteOf(downForMs));
      const reason = `${addressOf(server)} ${'code' in err ? err.code : err.message}`;
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
      unheard = refusal;
      noteUp();
    },
  };
}

function addressOf({ host, port }: Server): string {
  return `${host}:${port}`;
}

function withAddress(address: string, text: string): string {
  return text.includes(address) ? text : `${address}: ${text}`;
}
