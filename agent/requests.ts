import { setTimeout as pause } from 'node:timers/promises';
import { type SentEventName, topicOf, writeMessage } from '../state/messages/topics.ts';
import type { Broker } from './broker/broker.ts';
import { PublishRefusedError } from './broker/failures.ts';
import { failure, type Log } from './log.ts';

/** Asks the platform to tell everything again; the answers are broadcasts to everybody, so we ask with restraint. */
export type Requests = {
  /** Asks for the topology now, after 5 and 20 s and then every 60 s, until `answered('complete')` was called. */
  topologyUntilAnswered(signal: AbortSignal): Promise<void>;
  /** Asks for tenants and sign-ups once. */
  tenants(): void;
  /** @param change - the kind of a change to a model; the complete ones are answers, whoever has asked */
  answered(change: string): void;
};

type RequestName = Extract<SentEventName, `${string}RequestEvent`>;

const requests: readonly { readonly name: RequestName; readonly answer: string }[] = [
  { name: 'CompleteTopologyRequestEvent', answer: 'complete' },
  { name: 'CompleteTenantRequestEvent', answer: 'completeTenants' },
  { name: 'CompleteApplicationSignUpsRequestEvent', answer: 'completeSignUps' },
];
const aboutTenants = requests.slice(1);
const repeatAfterMs = [5_000, 20_000, 60_000];

/**
 * @param options - `reconnectSpreadMs`: how long a reconnect waits at most before it asks; a broker that comes back finds
 * thousands of agents at its door
 * @see design.md, "The bus"
 */
export function createRequests(options: {
  broker: Broker;
  log: Log;
  signal: AbortSignal;
  reconnectSpreadMs?: number;
}): Requests {
  const { broker, log, signal, reconnectSpreadMs = 30_000 } = options;
  const firstTopology = Promise.withResolvers<void>();
  /** The answers since the link was last down. */
  const answers = new Set<string>();
  let connections = 0;
  let hasTopology = false;
  let isCatchingUp = false;
  /** What the broker does not let us ask, told once. */
  const refused = new Set<RequestName>();

  async function request(name: RequestName): Promise<void> {
    try {
      await broker.publish(topicOf(name), writeMessage(name, {}), { qos: 1 });
    } catch (thrown) {
      // An access list can be mended while we run: what is asked regularly is asked on.
      if (!(thrown instanceof PublishRefusedError)) throw thrown;
      log[refused.has(name) ? 'debug' : 'warn'](
        { event: 'request.refused', request: name, ...failure(thrown) },
        'the broker does not let us ask the platform',
      );
      refused.add(name);
      return;
    }
    refused.delete(name);
    log.info({ event: 'request.published', request: name }, 'asked the platform');
  }

  /** Topology and tenants travel at QoS 0: what was said while we were away is asked for, if nobody else did. */
  async function catchUp(): Promise<void> {
    if (isCatchingUp) return;
    isCatchingUp = true;
    try {
      await pause(Math.random() * reconnectSpreadMs, undefined, { signal });
      await broker.up(signal);
      for (const { name, answer } of requests) if (!answers.has(answer)) await request(name);
    } finally {
      isCatchingUp = false;
    }
  }

  broker.onLink((link) => {
    if (link === 'down') return answers.clear();
    connections += 1;
    if (connections > 1 && hasTopology) void untilClosed(catchUp());
  }, signal);

  /** Without a link the next connection asks; when closing nobody does. */
  const untilClosed = (work: Promise<void>) =>
    work.catch((err) => log.debug({ event: 'request.dropped', err }, 'request dropped'));

  return {
    async topologyUntilAnswered(until) {
      const stop = AbortSignal.any([until, signal]);
      for (let attempt = 0; !stop.aborted; attempt += 1) {
        await broker.up(stop);
        await request('CompleteTopologyRequestEvent');
        const waitMs = repeatAfterMs[Math.min(attempt, repeatAfterMs.length - 1)] ?? 0;
        const cancel = new AbortController();
        const answered = await Promise.race([
          firstTopology.promise.then(() => true),
          pause(waitMs, false, { signal: AbortSignal.any([stop, cancel.signal]) }),
        ]).finally(() => cancel.abort());
        if (answered) return;
      }
    },
    tenants() {
      const askAll = async () => {
        await broker.up(signal);
        for (const { name } of aboutTenants) await request(name);
      };
      void untilClosed(askAll());
    },
    answered(change) {
      answers.add(change);
      if (change !== 'complete') return;
      hasTopology = true;
      firstTopology.resolve();
    },
  };
}
