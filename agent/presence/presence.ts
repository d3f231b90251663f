import { setTimeout as pause } from 'node:timers/promises';
import {
  type Presence as Message,
  presenceTopic,
  readSignature,
  writePresence,
} from '../../state/messages/presence.ts';
import type { Broker } from '../broker/broker.ts';
import type { Will } from '../broker/client.ts';
import type { LinkNote } from '../broker/complaints.ts';
import { PublishRefusedError } from '../broker/failures.ts';
import { failure, type Log } from '../log.ts';
import { createRateLimit } from '../rate-limit.ts';
import { createDoubles } from './doubles.ts';
import { createEcho } from './echo.ts';

/** How the instance is now. */
export type Snapshot = Pick<Message, 'state' | 'condition' | 'message' | 'artifact'>;

/** Who speaks. `agent`: its version. */
export type Identity = Pick<Message, 'memberId' | 'clusterId' | 'runId' | 'host' | 'agent'>;

/** Tells everybody at the broker how this instance is, and hears whether somebody else does in its name. */
export type Presence = {
  /** To be subscribed to, QoS 1. */
  readonly topic: string;
  /** For the next connection. It cannot know how the instance will be when it is published, so it says nothing of that. */
  will(): Will;
  /** From now on it is told over this connection. Once. */
  over(broker: Broker, signal: AbortSignal): void;
  /** Newest wins. */
  tell(snapshot: Snapshot): void;
  /** To be given every message that comes. @returns whether it was ours to hear */
  hear(topic: string, payload: Uint8Array): boolean;
  /** The instance is gone for good: nothing is told any more, nothing stays at this broker. Waits a moment for it. */
  clear(): Promise<void>;
  /** The agent leaves, the instance lives on. Waits a moment for it to be out. */
  leave(reason: string): Promise<void>;
};

export type PresenceTimings = {
  /** The least time between two publishes. */
  readonly gapMs: number;
  readonly echoLimitMs: number;
  /** The least time between two corrections while a second agent corrects us. */
  readonly disputeGapMs: number;
  /** A second agent that lives on is told of again, one that is silent is forgotten, after this time. */
  readonly forgetMs: number;
};

const defaultTimings: PresenceTimings = {
  gapMs: 300,
  echoLimitMs: 10_000,
  disputeGapMs: 30_000,
  forgetMs: 600_000,
};
const leaveTimeoutMs = 300;
const clearTimeoutMs = 2_000;

/** @param options - `onNote`: told when a second agent shows up; null once it has been silent for long */
export function createPresence(options: {
  identity: Identity;
  log: Log;
  onNote?: (note: LinkNote | null) => void;
  timings?: Partial<PresenceTimings>;
}): Presence {
  const { identity, log, onNote = () => {} } = options;
  const timings = { ...defaultTimings, ...options.timings };
  const topic = presenceTopic(identity.memberId);
  const doubles = createDoubles({ memberId: identity.memberId, forgetMs: timings.forgetMs, log, onNote });
  const mayLog = createRateLimit();
  let link: { broker: Broker; echo: ReturnType<typeof createEcho>; signal: AbortSignal } | null = null;
  let snapshot: Snapshot | null = null;
  let since = new Date().toISOString();
  let sequence = 0;
  let echoed = 0;
  let isDue = false;
  let isTelling = false;
  let isOver = false;
  let correction: NodeJS.Timeout | undefined;

  function compose(said: Pick<Message, 'link' | 'state' | 'condition' | 'message' | 'artifact' | 'since'>): string {
    sequence += 1;
    return writePresence({ ...identity, ...said, sequence, at: new Date().toISOString() });
  }

  /** One after the other, so that an older one never overtakes; what is told meanwhile goes into the next. */
  async function tellAll(): Promise<void> {
    if (isTelling || link === null) return;
    isTelling = true;
    const { broker, signal } = link;
    while (isDue && !isOver && snapshot !== null && broker.link === 'up') {
      isDue = false;
      await say({ ...snapshot, link: 'up', since });
      await pause(timings.gapMs, undefined, { signal }).catch(() => {});
    }
    isTelling = false;
  }

  async function say(said: Parameters<typeof compose>[0]): Promise<void> {
    if (link === null) return;
    const { broker, echo } = link;
    const payload = compose(said);
    const mine = sequence;
    if (broker.link === 'up' && !isOver) echo.said(mine);
    try {
      await broker.publish(topic, payload, { qos: 1, retain: true });
      echo.acknowledged(mine);
    } catch (thrown) {
      if (thrown instanceof PublishRefusedError && broker.link === 'up') echo.refused(thrown);
      log.debug({ event: 'presence.notTold', ...failure(thrown) }, 'presence not told, newest wins');
    }
  }

  function due(): void {
    isDue = true;
    void tellAll();
  }

  /** Ours is not what people see there. While two dispute it, nobody wins by haste. */
  function correct(): void {
    correction ??= setTimeout(
      () => {
        correction = undefined;
        due();
      },
      doubles.exist ? timings.disputeGapMs : timings.gapMs,
    );
  }

  function hearOwnTopic(payload: Uint8Array): void {
    const heard = payload.length === 0 ? null : readSignature(topic, payload);
    if (heard?.runId === identity.runId) {
      if (heard.sequence > echoed) echoed = heard.sequence;
      link?.echo.heard(heard.sequence);
      if (heard.sequence === sequence) return;
    } else if (heard !== null) doubles.heard(heard, link?.echo.hasHeard ?? false);
    // What comes before our own newest words is older than they are; what comes after them has replaced them: a late
    // will, another agent, or an operator who tidied up.
    if (hasSpoken()) correct();
  }

  function hasSpoken(): boolean {
    return echoed === sequence;
  }

  function end(): void {
    isOver = true;
    doubles.stop();
    clearTimeout(correction);
    link?.echo.stop();
  }

  return {
    topic,
    will: () => ({
      topic,
      payload: compose({
        link: 'down',
        state: null,
        condition: null,
        message: 'the link broke without a word of the agent',
        artifact: null,
        since: null,
      }),
    }),
    over(broker, signal) {
      const echo = createEcho({ broker, topic, limitMs: timings.echoLimitMs, log });
      link = { broker, echo, signal };
      signal.addEventListener('abort', end, { once: true });
      broker.onLink((change) => (change === 'up' ? due() : echo.stop()), signal);
      broker.onMoving(async ({ host, port }) => {
        if (isOver || snapshot === null) return;
        await say({ ...snapshot, link: 'down', since, message: `has moved to ${host}:${port}` });
      }, signal);
    },
    tell(next) {
      const isSame = snapshot?.state === next.state && snapshot.condition === next.condition;
      if (!isSame) since = new Date().toISOString();
      if (JSON.stringify(next) === JSON.stringify(snapshot)) return;
      snapshot = next;
      due();
    },
    hear(heardOn, payload) {
      link?.echo.delivered();
      if (heardOn !== topic) return false;
      try {
        if (!isOver) hearOwnTopic(payload);
      } catch (thrown) {
        const quota = mayLog('overwritten');
        const facts = { event: 'presence.overwritten', ...failure(thrown), ...quota };
        if (quota !== null) log.warn(facts, 'somebody else writes on our own topic');
        correct();
      }
      return true;
    },
    async clear() {
      end();
      if (link?.broker.link !== 'up') return;
      const cleared = link.broker.publish(topic, '', { qos: 1, retain: true });
      await Promise.race([cleared, pause(clearTimeoutMs)]).catch(() => {});
    },
    async leave(reason) {
      end();
      if (link?.broker.link !== 'up' || snapshot === null) return;
      await Promise.race([say({ ...snapshot, link: 'down', since, message: reason }), pause(leaveTimeoutMs)]);
    },
  };
}
