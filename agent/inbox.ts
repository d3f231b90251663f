import type { Config } from '../state/config/config.ts';
import { AgentError } from '../state/errors.ts';
import { type Message, parseMessage } from '../state/messages/topics.ts';
import { publicUrlOf, repositoriesFor } from '../state/repositories.ts';
import { apply as applyToTenants, type TenantChange } from '../state/tenants.ts';
import type { TopologyChange } from '../state/topology/topology-change.ts';
import { apply as applyToTopology, findMember, memberStatus } from '../state/topology.ts';
import type { ClockWatch } from './clock.ts';
import type { Deployments } from './deployments.ts';
import type { Hooks } from './hooks/hooks.ts';
import type { Lifecycle } from './lifecycle.ts';
import { failure, type Log } from './log.ts';
import type { Models } from './models.ts';
import { createNotifier } from './notifier.ts';
import { createRateLimit } from './rate-limit.ts';
import type { Requests } from './requests.ts';

/**
 * The message door: bytes become a typed event, the event changes the models, and what that means for this instance goes
 * to the machine and to the hooks. Everything is caught here: a poison message is one rate-limited line, never a crash.
 *
 * @see design.md, "A message's way"
 */
export function createInbox(parts: {
  config: Config;
  models: Models;
  hooks: Hooks;
  lifecycle: Lifecycle;
  requests: Requests;
  deployments: Deployments;
  clock: ClockWatch;
  log: Log;
}): (topic: string, payload: Uint8Array) => void {
  const { config, models, hooks, lifecycle, requests, deployments, clock, log } = parts;
  const { applicationId, memberId, clusterId, clusterInstanceId } = config.instance;
  const notify = createNotifier({ instance: config.instance, hooks });
  const mayLog = createRateLimit();
  let told: string | null = null;

  function receive(topic: string, payload: Uint8Array): void {
    log.trace({ event: 'message.received', topic: printable(topic), sizeBytes: payload.length }, 'message received');
    const message = parseMessage(topic, payload);
    const topologyChanges = applyToTopology(models.topology, message);
    const changes = [...topologyChanges, ...applyToTenants(models.tenants, message)];
    for (const { kind } of changes) requests.answered(kind);
    if (topologyChanges.some(({ kind }) => kind === 'complete')) completed();
    tellMember(topologyChanges);
    act(message);
    notify(changes, payload);
    complain(topic, changes);
  }

  function completed(): void {
    models.completed();
    const own = findMember(models.topology, memberId);
    // This machine was not there before: a clock that was never set is known at the first topology.
    if (own?.initTime !== undefined) clock.isAtLeast(own.initTime, 'the time at which the platform made this member');
  }

  /** Each new status, and each complete topology: the machine compares what it has said with what that shows. */
  function tellMember(changes: readonly TopologyChange[]): void {
    const status = memberStatus(models.topology, memberId);
    const complete = changes.some(({ kind }) => kind === 'complete');
    if (status === 'unknown' || (status === told && !complete)) return;
    told = status;
    lifecycle.send({ type: 'MemberTold', status: status === 'absent' ? 'Absent' : status, complete });
  }

  /** What others ask of this very instance; what they ask of others is none of our business. */
  function act({ event, body }: Message): void {
    // Just made, by the clock of the platform; and queued nowhere, as all of the topology.
    if (event === 'MemberCreatedEvent' && body.initTime !== undefined)
      clock.isAtLeast(body.initTime, 'the cloud controller');
    if (event === 'InstanceCleanupMemberEvent' && body.memberId === memberId)
      lifecycle.send({ type: 'CleanupRequested', budgetMs: null });
    if (event === 'InstanceCleanupClusterEvent') {
      const isOurs = body.clusterId === clusterId && body.clusterInstanceId === clusterInstanceId;
      if (isOurs) lifecycle.send({ type: 'CleanupRequested', budgetMs: null });
    }
    if (event === 'ArtifactUpdatedEvent' && body.clusterId === clusterId) {
      deployments.wanted(body);
      lifecycle.send({ type: 'ArtifactUpdated', tenantId: body.tenantId, publicUrl: publicUrlOf(body) });
    }
    if (event === 'CompleteApplicationSignUpsEvent') {
      const news = repositoriesFor(config.instance, body).filter((repository) => deployments.told(repository));
      for (const { tenantId } of news) lifecycle.send({ type: 'RepositoryTold', tenantId });
    }
    if (event === 'ApplicationSignUpRemovedEvent' && body.applicationId === applicationId) {
      deployments.forget(body.tenantId);
      lifecycle.send({ type: 'SignUpRemoved', tenantId: body.tenantId });
    }
  }

  function complain(topic: string, changes: readonly (TopologyChange | TenantChange)[]): void {
    for (const change of changes) {
      if (change.kind !== 'dropped' && change.kind !== 'unreadable') continue;
      const { kind, event: name, ...facts } = 'id' in change ? { ...change, id: printable(change.id) } : change;
      const quota = mayLog(`${topic} ${kind}`);
      if (quota === null) continue;
      // Before the first complete topology that is how it should be.
      const level = 'reason' in facts && (facts.reason === 'notComplete' || facts.reason === 'late') ? 'info' : 'warn';
      log[level]({ event: `message.${kind}`, topic, name, ...facts, ...quota }, 'message not applied');
    }
  }

  return (topic, payload) => {
    try {
      receive(topic, payload);
    } catch (error) {
      const code = error instanceof AgentError ? error.code : 'DEFECT';
      const quota = mayLog(`${code === 'MESSAGE_UNKNOWN_EVENT' ? 'unknown' : topic} ${code}`);
      const level = error instanceof AgentError ? 'warn' : 'error';
      if (quota !== null) log[level]({ event: 'message.refused', ...failure(error), ...quota }, 'message refused');
    }
  };
}

/** Others choose their topics and ids: in the log they are one line, and not an endless one. */
function printable<T extends string | null>(text: T): string | T {
  return text === null ? text : text.slice(0, 200).replace(/\p{Cc}/gu, '?');
}
