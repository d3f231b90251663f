import { z } from 'zod';
import * as signUp from './application-signup.ts';
import * as complete from './complete-topology.ts';
import * as domain from './domain-mapping.ts';
import * as health from './health.ts';
import * as initializer from './initializer.ts';
import * as notifier from './instance-notifier.ts';
import * as status from './instance-status.ts';
import { MessageError, problemOf } from './message-error.ts';
import { JsonSyntaxError } from './raw-json.ts';
import { parseJson } from './read-json.ts';
import * as tenant from './tenant.ts';
import * as topology from './topology.ts';

/** Every event we know, by the name that is the last part of its topic. A new event starts here. */
const vocabulary = {
  CompleteTopologyRequestEvent: sent('initializer', initializer.CompleteTopologyRequestEvent),
  CompleteTenantRequestEvent: sent('initializer', initializer.CompleteTenantRequestEvent),
  CompleteApplicationSignUpsRequestEvent: sent('initializer', initializer.CompleteApplicationSignUpsRequestEvent),
  CompleteApplicationsRequestEvent: sent('initializer', initializer.CompleteApplicationsRequestEvent),

  CompleteTopologyEvent: read('topology', complete.readCompleteTopologyEvent),
  ServiceCreatedEvent: received('topology', topology.ServiceCreatedEvent),
  ServiceRemovedEvent: received('topology', topology.ServiceRemovedEvent),
  ApplicationClustersCreatedEvent: read('topology', complete.readApplicationClustersCreatedEvent),
  ApplicationClustersRemovedEvent: received('topology', topology.ApplicationClustersRemovedEvent),
  ClusterCreatedEvent: read('topology', complete.readClusterCreatedEvent),
  ClusterRemovedEvent: received('topology', topology.ClusterRemovedEvent),
  ClusterInstanceCreatedEvent: received('topology', topology.ClusterInstanceCreatedEvent),
  ClusterInstanceActivatedEvent: received('topology', topology.ClusterInstanceActivatedEvent),
  ClusterInstanceInactivateEvent: received('topology', topology.ClusterInstanceInactivateEvent),
  ClusterInstanceTerminatingEvent: received('topology', topology.ClusterInstanceTerminatingEvent),
  ClusterInstanceTerminatedEvent: received('topology', topology.ClusterInstanceTerminatedEvent),
  ClusterResetEvent: received('topology', topology.ClusterResetEvent),
  MemberCreatedEvent: received('topology', topology.MemberCreatedEvent),
  MemberInitializedEvent: received('topology', topology.MemberInitializedEvent),
  MemberStartedEvent: received('topology', topology.MemberStartedEvent),
  MemberActivatedEvent: received('topology', topology.MemberActivatedEvent),
  MemberMaintenanceModeEvent: received('topology', topology.MemberMaintenanceModeEvent),
  MemberReadyToShutdownEvent: received('topology', topology.MemberReadyToShutdownEvent),
  MemberSuspendedEvent: received('topology', topology.MemberSuspendedEvent),
  MemberTerminatedEvent: received('topology', topology.MemberTerminatedEvent),

  CompleteTenantEvent: read('tenant', tenant.readCompleteTenantEvent),
  TenantCreatedEvent: received('tenant', tenant.TenantCreatedEvent),
  TenantUpdatedEvent: received('tenant', tenant.TenantUpdatedEvent),
  TenantRemovedEvent: received('tenant', tenant.TenantRemovedEvent),
  TenantSubscribedEvent: received('tenant', tenant.TenantSubscribedEvent),
  TenantUnSubscribedEvent: received('tenant', tenant.TenantUnSubscribedEvent),

  ArtifactUpdatedEvent: received('instance/notifier', notifier.ArtifactUpdatedEvent),
  InstanceCleanupMemberEvent: received('instance/notifier', notifier.InstanceCleanupMemberEvent),
  InstanceCleanupClusterEvent: received('instance/notifier', notifier.InstanceCleanupClusterEvent),

  InstanceStartedEvent: sent('instance/status', status.InstanceStartedEvent),
  InstanceActivatedEvent: sent('instance/status', status.InstanceActivatedEvent),
  InstanceMaintenanceModeEvent: sent('instance/status', status.InstanceMaintenanceModeEvent),
  InstanceReadyToShutdownEvent: sent('instance/status', status.InstanceReadyToShutdownEvent),

  CompleteApplicationSignUpsEvent: read('application/signup', signUp.readCompleteApplicationSignUpsEvent),
  ApplicationSignUpAddedEvent: received('application/signup', signUp.ApplicationSignUpAddedEvent),
  ApplicationSignUpRemovedEvent: received('application/signup', signUp.ApplicationSignUpRemovedEvent),

  DomainMappingAddedEvent: received('domain/mapping', domain.DomainMappingAddedEvent),
  DomainMappingRemovedEvent: received('domain/mapping', domain.DomainMappingRemovedEvent),

  HealthStatisticsEvent: sent('health/statistics', health.HealthStatisticsEvent),
} as const;

type Vocabulary = typeof vocabulary;
export type EventName = keyof Vocabulary;
/** Events the agent publishes. */
export type SentEventName = { [E in EventName]: Vocabulary[E] extends { schema: unknown } ? E : never }[EventName];

/** Topics without their last part. */
export type Folder = Vocabulary[EventName]['folder'];
/** Events of one folder. */
export type EventIn<F extends Folder> = { [E in EventName]: Vocabulary[E]['folder'] extends F ? E : never }[EventName];

/** One message, understood. */
export type Message<E extends EventName = EventName> = {
  [Name in E]: { readonly event: Name; readonly topic: string; readonly body: ReturnType<Vocabulary[Name]['parse']> };
}[E];

/** What {@link writeMessage} takes: as the event's schema, with what may be missing left out. */
export type SentBody<E extends SentEventName> = z.input<Vocabulary[E]['schema']>;

/**
 * What the agent subscribes to. A queue of thousands of topology increments makes a broker drop the one cleanup that
 * matters, so what is asked for again after a reconnect is not queued.
 *
 * @see design.md, The bus
 */
export const subscriptions = [
  { filter: 'instance/notifier/#', qos: 1 },
  { filter: 'application/signup/#', qos: 1 },
  { filter: 'domain/mapping/#', qos: 1 },
  { filter: 'topology/#', qos: 0 },
  { filter: 'tenant/#', qos: 0 },
] as const;

/** Where an event is published. */
export function topicOf(event: EventName): string {
  return `${vocabulary[event].folder}/${event}`;
}

/** Whether a message belongs to `folder`. */
export function isIn<F extends Folder>(folder: F, message: Message): message is Message<EventIn<F>> {
  return vocabulary[message.event].folder === folder;
}

/**
 * Understands one message. Unknown fields are ignored, missing ones that may be missing are undefined.
 *
 * @throws {@link MessageError} whatever the payload is; nothing else
 */
export function parseMessage(topic: string, payload: Uint8Array): Message {
  const facts = { topic, sizeBytes: payload.length };
  const event = eventByTopic.get(topic);
  if (event === undefined) throw new MessageError('MESSAGE_UNKNOWN_EVENT', facts);
  if (payload.length === 0) throw new MessageError('MESSAGE_EMPTY', facts);
  try {
    return { event, topic, body: vocabulary[event].parse(payload) } as Message;
  } catch (thrown) {
    if (thrown instanceof JsonSyntaxError) {
      throw new MessageError('MESSAGE_NOT_JSON', { ...facts, problem: thrown.message });
    }
    if (!(thrown instanceof z.ZodError)) throw thrown;
    throw new MessageError('MESSAGE_INVALID', { ...facts, problem: problemOf(thrown) });
  }
}

/**
 * The payload of an event the agent sends, key for key as the Java classes write it; what is null or undefined is left
 * out.
 *
 * @throws {@link MessageError} (MESSAGE_INVALID) if a field is missing, wrong or unknown
 * @see protocol.md 3, 4.1, 4.5
 */
export function writeMessage<E extends SentEventName>(event: E, body: SentBody<E>): string {
  const result = vocabulary[event].schema.safeParse(body);
  if (result.success) return JSON.stringify(result.data);
  throw new MessageError('MESSAGE_INVALID', { topic: topicOf(event), problem: problemOf(result.error) }, 'write');
}

type Received<Folder, Body> = { readonly folder: Folder; readonly parse: (payload: Uint8Array) => Body };
type Sent<Folder, T extends z.ZodObject> = Received<Folder, z.output<T>> & { readonly schema: T };

const eventByTopic: ReadonlyMap<string, EventName> = new Map(
  (Object.keys(vocabulary) as EventName[]).map((event) => [topicOf(event), event]),
);

/** Sent by the agent: written strictly, read tolerantly (the simulated platform and `events` read it). */
function sent<const Folder, T extends z.ZodObject>(folder: Folder, schema: T): Sent<Folder, T> {
  const tolerant = schema.strip();
  return { folder, schema, parse: (payload) => tolerant.parse(parseJson(payload)) as z.output<T> };
}

function received<const Folder, T extends z.ZodType>(folder: Folder, schema: T): Received<Folder, z.output<T>> {
  return { folder, parse: (payload) => schema.parse(parseJson(payload)) };
}

/** For events that can be too large to be parsed at once. */
function read<const Folder, Body>(folder: Folder, parse: (payload: Uint8Array) => Body): Received<Folder, Body> {
  return { folder, parse };
}
