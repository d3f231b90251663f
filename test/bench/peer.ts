import { EventEmitter, once } from 'node:events';
import { connectBroker } from '../../agent/broker/broker.ts';
import { createLog } from '../../agent/log.ts';
import { type EventName, topicOf } from '../../state/messages/topics.ts';

/** The platform, reduced to a mouth and an ear with a clock. One for each run: it remembers what it has heard. */
export type Peer = AsyncDisposable & {
  /** The moment at which the event was heard first, past or future. */
  heard(event: EventName): Promise<number>;
  /** Resolves when the broker has it. */
  say(event: EventName, text: string): Promise<void>;
  /** Many at once, in order, without acknowledgement; resolves when all are written. */
  pour(messages: readonly { readonly topic: string; readonly text: string }[]): Promise<void>;
  /** How many messages the broker has dropped so far, for anyone; null if it does not tell. */
  dropped(): Promise<number | null>;
};

const waitMs = 60_000;
/** As many as the connection takes without a warning; more than the broker reads at once. */
const gulp = 500;
const droppedTopic = '$SYS/broker/publish/messages/dropped';
/** Told once a second, before the other figures of that second. */
const clockTopic = '$SYS/broker/uptime';
// What agents say, not '#': 58 MB to ourselves would keep the broker from what is measured.
const subscriptions = {
  'initializer/#': 1,
  'instance/status/#': 1,
  'health/statistics/#': 0,
  [droppedTopic]: 0,
  [clockTopic]: 0,
} as const;

/**
 * @param options - `tells`: whether the broker publishes figures about itself
 * @throws the reason of `signal`, also later, from whatever is waited for
 */
export async function connectPeer(options: { port: number; tells: boolean; signal: AbortSignal }): Promise<Peer> {
  const { port, tells, signal } = options;
  const moments = new Map<string, number>();
  const arrivals = new EventEmitter().setMaxListeners(0);
  let dropped = 0;

  const broker = connectBroker(
    {
      servers: [{ host: '127.0.0.1', port }],
      username: null,
      password: null,
      protocolVersion: 4,
      tls: null,
      clientId: 'bench-platform',
      persistent: false,
      subscriptions,
    },
    {
      log: createLog({ level: 'silent', pretty: false, colour: false }),
      onMessage(topic, payload) {
        if (!moments.has(topic)) moments.set(topic, performance.now());
        if (topic === droppedTopic) dropped = Number(new TextDecoder().decode(payload));
        arrivals.emit(topic);
      },
    },
  );
  const deadline = () => AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);

  await broker.up(deadline());
  return {
    async heard(event) {
      const topic = topicOf(event);
      if (!moments.has(topic)) await once(arrivals, topic, { signal: deadline() });
      return moments.get(topic) ?? 0;
    },
    say: (event, text) => broker.publish(topicOf(event), text, { qos: 1 }),
    async pour(messages) {
      for (let from = 0; from < messages.length; from += gulp) {
        const some = messages.slice(from, from + gulp);
        await Promise.all(some.map(({ topic, text }) => broker.publish(topic, text, { qos: 0 })));
      }
    },
    async dropped() {
      if (!tells) return null;
      // The figure is told only when it has changed; after the second of two ticks it would have been.
      for (const _ of [1, 2]) await once(arrivals, clockTopic, { signal: deadline() });
      return dropped;
    },
    [Symbol.asyncDispose]: () => broker.close(),
  };
}
