import { type Member, statusOf } from './installation.ts';
import { neighbours } from './story.ts';

/** A member that is taken for dead. */
export type Fault = {
  readonly memberId: string;
  /** What its last statistic was stamped with, or when it was seen Active first; epoch milliseconds. */
  readonly lastHeard: number;
  readonly silentMs: number;
};

/** The complex event processor, as far as it watches for silence. @see protocol.md 1.4 and 9.3 */
export type Cep = {
  /** @param timestamp - the one in the statistic: epoch milliseconds by the clock of the instance */
  hear(memberId: string, timestamp: number): void;
  /** Who is Active, and has been silent for too long. To be asked again and again. */
  judge(members: Iterable<Member>, now: number): readonly Fault[];
};

/** Nobody runs an agent for them. */
const alwaysHealthy: ReadonlySet<string> = new Set(neighbours.map(({ memberId }) => memberId));

/** @param silenceLimitMs - a member is faulty when its last statistic is older than this */
export function createCep(silenceLimitMs: number): Cep {
  const lastHeard = new Map<string, number>();

  return {
    hear: (memberId, timestamp) => void lastHeard.set(memberId, timestamp),
    judge(members, now) {
      const watched = [...members].filter(
        (member) => statusOf(member) === 'Active' && !alwaysHealthy.has(member.memberId),
      );
      const watchedIds = new Set(watched.map(({ memberId }) => memberId));
      for (const memberId of lastHeard.keys()) if (!watchedIds.has(memberId)) lastHeard.delete(memberId);
      return [...watchedIds]
        .map((memberId) => ({ memberId, lastHeard: lastHeard.getOrInsert(memberId, now) }))
        .map((last) => ({ ...last, silentMs: now - last.lastHeard }))
        .filter(({ silentMs }) => silentMs > silenceLimitMs);
    },
  };
}
