import { setTimeout as pause } from 'node:timers/promises';
import { type SentEventName, topicOf, writeMessage } from '../state/messages/topics.ts';
import type { Broker } from './broker/broker.ts';
import type { Log } from './log.ts';

/** Asks the platform to tell everything again; the answers are broadcasts to everybody, so we ask with restraint. */
export type Requests = {
  /** Asks for the topology now, after 5 and 20 s and then every 60 s, until `answered()` was called. */
  topologyUntilAnswered(signal: AbortSignal): Promise<void>;
  /** Asks for tenants and sign-ups once. */
  tenants(): void;
  /** A complete topology came. */
  answered(): void;
};

type RequestName = Extract<SentEventName, `${string}RequestEvent`>;

const repeatAfterMs = [5_000, 20_000, 60_000];
/** A broker that comes back finds thousands of agents at its door. @see design.md, "The bus" */
const reconnectSpreadMs = 30_000;

export function createRequests({ broker, log, signal }: { broker: Broker; log: Log; signal: AbortSignal }): Requests {
  const answer = Promise.withResolvers<void>();
  let connections = 0;
  let heard = 0;

  const request = async (name: RequestName) => {
    await broker.publish(topicOf(name), writeMessage(name, {}), { qos: 1 });
    log.info({ event: 'request.published', request: name }, 'asked the platform');
  };
  const requestAll = async (names: readonly RequestName[]) => {
    await broker.up(signal);
    for (const name of names) await request(name);
  };
  const tenantRequests = ['CompleteTenantRequestEvent', 'CompleteApplicationSignUpsRequestEvent'] as const;

  /** Topology and tenants travel at QoS 0: what was said while we were away is asked for. */
  async function catchUp(): Promise<void> {
    const heardBefore = heard;
    await pause(Math.random() * reconnectSpreadMs, undefined, { signal });
    if (heard === heardBefore) await requestAll(['CompleteTopologyRequestEvent']);
    await requestAll(tenantRequests);
  }

  broker.onLink((link) => {
    if (link === 'up') connections += 1;
    if (link === 'up' && connections > 1 && heard > 0) void untilClosed(catchUp());
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
          answer.promise.then(() => true),
          pause(waitMs, false, { signal: AbortSignal.any([stop, cancel.signal]) }),
        ]).finally(() => cancel.abort());
        if (answered) return;
      }
    },
    tenants() {
      void untilClosed(requestAll(tenantRequests));
    },
    answered() {
      heard += 1;
      answer.resolve();
    },
  };
}
