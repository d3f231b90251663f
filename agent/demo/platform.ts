import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { setInterval } from 'node:timers/promises';
import type { MemberStatus } from '../../state/messages/member.ts';
import { type EventName, topicOf } from '../../state/messages/topics.ts';
import type { Secret } from '../../state/secret.ts';
import { type Broker, connectBroker } from '../broker/broker.ts';
import type { Server, TlsFiles } from '../broker/stream.ts';
import { failure, type Log } from '../log.ts';
import { createCep, type Fault } from './cep.ts';
import * as controller from './controller.ts';
import { toGson } from './gson.ts';
import { createHeard, type Heard, type HeardEvent } from './heard.ts';
import { type MemberSeed, type Repository, statusOf } from './installation.ts';
import * as manager from './manager.ts';
import { createInstallation, memberFrom, neighbours, ownMember, shop } from './story.ts';

/** A broker and who we are there. */
export type BrokerAccess = {
  readonly server: Server;
  readonly username?: string | null;
  readonly password?: Secret | null;
  readonly tls?: TlsFiles | null;
};

export type PlatformOptions = {
  readonly broker: BrokerAccess;
  readonly log: Log;
  /** Who is there at the beginning; default the neighbours, and our own member as Created. */
  readonly members?: readonly MemberSeed[];
  /** What tenants have signed up with; default nothing. */
  readonly repositories?: readonly Repository[];
  readonly cartridgeKey?: string;
  /** How often everything is told again unasked; default 60 s, null never. */
  readonly resyncMs?: number | null;
  /** How old the last statistic of an Active member may be; default 60 s. */
  readonly silenceLimitMs?: number;
  /** Where the CEP has its statistics from; default the bus. Elsewhere: from `takeStatistic` alone. */
  readonly statistics?: 'bus' | 'elsewhere';
  /** True for what the platform shall not act on, though it hears it: as if it had been away. */
  readonly refuse?: (told: controller.Told) => boolean;
};

/** Something the platform has said. */
export type SaidEvent = controller.Message & {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The event of an agent that it answers, or what it has found out; null: said unasked. */
  readonly because: string | null;
};

/**
 * Cloud controller, Stratos manager, autoscaler and CEP in one, as far as agents can tell. Where an argument is missing, our own
 * member, cluster or cluster instance of the story is meant; what publishes resolves when the broker has it.
 */
export type Platform = {
  /** What agents have said: requests, status events, statistics. */
  readonly heard: readonly HeardEvent[];
  /** What the platform has said, on its own or in answer; not what a test published through it. */
  readonly said: readonly SaidEvent[];
  /** Status events that came to nothing because of the member's status. */
  readonly refused: readonly controller.Refusal[];
  /** Who was silent for too long, and is gone therefore. */
  readonly faults: readonly Fault[];
  /** Null: there is no such member. */
  memberStatus(memberId?: string): MemberStatus | null;
  waitFor: Heard['waitFor'];
  onHeard(listener: (event: HeardEvent) => void): void;
  onSaid(listener: (event: SaidEvent) => void): void;

  createMember(seed?: Omit<MemberSeed, 'status'>): Promise<void>;
  initializeMember(memberId?: string): Promise<void>;
  terminateMember(memberId?: string): Promise<void>;
  cleanupMember(memberId?: string): Promise<void>;
  cleanupCluster(clusterId?: string, clusterInstanceId?: string): Promise<void>;
  /** As the hook of a git server would: for each sign-up with this repository, or for all. */
  artifactUpdated(url?: string): Promise<void>;
  /** A statistic has come on another way than the bus, stamped with this time (epoch milliseconds). */
  takeStatistic(memberId: string, timestamp: number): void;
  /** Tells everything again, as it does regularly. */
  resync(): Promise<void>;

  /** Any event with any body, valid or not, in Gson's spelling. */
  publish(event: EventName, body: object): Promise<void>;
  publishRaw(topic: string, payload: string | Uint8Array): Promise<void>;
  stop(): Promise<void>;
};

/**
 * Starts the simulated platform on a broker; resolves once it listens.
 *
 * @param signal - gives up waiting for the broker
 */
export async function startPlatform(options: PlatformOptions, signal = AbortSignal.timeout(10_000)): Promise<Platform> {
  const { log, resyncMs = 60_000, refuse = () => false, silenceLimitMs = 60_000, statistics = 'bus' } = options;
  let installation = createInstallation({
    members: [...neighbours, ownMember('Created')],
    repositories: [],
    ...options,
  });
  const heard = createHeard();
  const refused: controller.Refusal[] = [];
  const faults: Fault[] = [];
  const cep = createCep(silenceLimitMs);
  const stopping = new AbortController();

  const broker = connectToBroker(options, (topic, payload) => {
    const told = heard.take(topic, payload);
    if (told === null || refuse(told)) return;
    // Not waited for: the acknowledgement comes over this very connection.
    hear(told).catch((err) => {
      if (!stopping.signal.aborted)
        log.error({ event: 'platform.failed', ...failure(err) }, 'the platform cannot answer');
    });
  });
  const voice = createVoice(broker);

  async function hear(told: controller.Told): Promise<void> {
    const { memberId, timestamp } = told.body;
    if (told.event === 'HealthStatisticsEvent' && statistics === 'bus') cep.hear(String(memberId), Number(timestamp));
    const answers = manager.answer(installation, told);
    const settled = settle(controller.handle(installation, told), told.event);
    await Promise.all([settled, ...answers.map((message) => voice.say(message, told.event))]);
  }

  /** The new state counts at once; only telling it takes time. */
  async function settle(outcome: controller.Outcome, because: string | null = null): Promise<void> {
    installation = outcome.installation;
    if (outcome.refused !== null) {
      refused.push(outcome.refused);
      const { event: status, ...facts } = outcome.refused;
      log.info({ event: 'platform.refused', status, ...facts }, 'status event refused');
    }
    await Promise.all(outcome.publish.map((message) => voice.say(message, because)));
  }

  /** The autoscaler takes the word of the CEP, and gives the member up. */
  async function giveUpTheSilent(): Promise<void> {
    for (const fault of cep.judge(installation.members.values(), Date.now())) {
      faults.push(fault);
      log.warn({ event: 'platform.faulted', ...fault }, 'member declared faulty');
      const silence = `${Math.round(fault.silentMs / 1_000)} s without statistics: declared faulty`;
      await settle(controller.terminateMember(installation, fault.memberId), silence);
    }
  }

  async function resync(): Promise<void> {
    const signUps = installation.repositories.length > 0 ? [manager.completeSignUps(installation)] : [];
    const messages = [controller.completeTopology(installation), manager.completeTenants(installation), ...signUps];
    await Promise.all(messages.map((message) => voice.say(message)));
  }

  await broker.up(signal).catch(async (thrown) => {
    await broker.close();
    throw thrown;
  });
  if (resyncMs !== null) void everyMs(resyncMs, resync, { log, signal: stopping.signal });
  // The real one looks once a minute: a silence that it does not notice is noticed here.
  void everyMs(silenceLimitMs / 60, giveUpTheSilent, { log, signal: stopping.signal });

  return {
    heard: heard.events,
    said: voice.said,
    refused,
    faults,
    memberStatus(memberId = shop.memberId) {
      const member = installation.members.get(memberId);
      return member === undefined ? null : statusOf(member);
    },
    waitFor: heard.waitFor,
    onHeard: heard.onEvent,
    onSaid: voice.onEvent,

    createMember(seed = ownMember('Created')) {
      const whole = { initTime: Date.now(), ...seed, status: 'Created' } as const;
      const member = memberFrom(installation, whole, installation.members.size);
      return settle(controller.createMember(installation, member));
    },
    initializeMember: (memberId = shop.memberId) => settle(controller.initializeMember(installation, memberId)),
    terminateMember: (memberId = shop.memberId) => settle(controller.terminateMember(installation, memberId)),
    cleanupMember: (memberId = shop.memberId) =>
      voice.say({ from: 'autoscaler', event: 'InstanceCleanupMemberEvent', body: { memberId } }),
    cleanupCluster: (clusterId = shop.clusterId, clusterInstanceId = shop.clusterInstanceId) =>
      voice.say({ from: 'autoscaler', event: 'InstanceCleanupClusterEvent', body: { clusterId, clusterInstanceId } }),
    async artifactUpdated(url) {
      const meant = installation.repositories.filter((repository) => url === undefined || repository.url === url);
      await Promise.all(meant.map((repository) => voice.say(manager.artifactUpdated(installation, repository))));
    },
    takeStatistic: cep.hear,
    resync,

    publish: (event, body) => broker.publish(topicOf(event), toGson(body), { qos: 1 }),
    publishRaw: (topic, payload) => broker.publish(topic, payload, { qos: 1 }),
    async stop() {
      stopping.abort();
      await broker.close();
    },
  };
}

const subscriptions = { 'initializer/#': 1, 'instance/status/#': 1, 'health/statistics/#': 0 } as const;

function connectToBroker(
  { broker, log }: PlatformOptions,
  onMessage: (topic: string, payload: Uint8Array) => void,
): Broker {
  const { server, username = null, password = null, tls = null } = broker;
  const clientId = `simulated-platform-${randomUUID().slice(0, 8)}`;
  return connectBroker(
    { servers: [server], username, password, tls, protocolVersion: 4, clientId, persistent: false, subscriptions },
    { log: log.child({ part: 'platform' }), onMessage },
  );
}

/** Publishes and remembers it. Messages leave in the order in which they were said. */
function createVoice(broker: Broker) {
  const said: SaidEvent[] = [];
  const events = new EventEmitter<{ said: [SaidEvent] }>();
  return {
    said,
    onEvent: (listener: (event: SaidEvent) => void) => void events.on('said', listener),
    async say(message: controller.Message, because: string | null = null): Promise<void> {
      const event = { ...message, because, at: Date.now() };
      said.push(event);
      events.emit('said', event);
      await broker.publish(topicOf(message.event), toGson(message.body), { qos: 1 });
    },
  };
}

async function everyMs(
  intervalMs: number,
  work: () => Promise<void>,
  { log, signal }: { log: Log; signal: AbortSignal },
) {
  try {
    for await (const _ of setInterval(intervalMs, undefined, { signal })) await work();
  } catch (err) {
    if (!signal.aborted)
      log.error({ event: 'platform.failed', ...failure(err) }, 'the platform tells nothing more unasked');
  }
}
