import type { Config } from '../state/config/config.ts';
import { subscriptions } from '../state/messages/topics.ts';
import { createArtifacts } from './artifacts/artifacts.ts';
import { type Broker, connectBroker } from './broker/broker.ts';
import { createDeployments } from './deployments.ts';
import { createHooks } from './hooks/hooks.ts';
import { createInbox } from './inbox.ts';
import { openJournal } from './journal.ts';
import { startLifecycle } from './lifecycle.ts';
import type { Log } from './log.ts';
import { createModels } from './models.ts';
import { createOutbox } from './outbox.ts';
import { createRequests } from './requests.ts';
import { createWorld } from './world.ts';

/** Notices that are due when the instance is gone get this long. @see plugins.md, "The hooks" */
const noticesDueMs = 2_000;

/**
 * Runs one agent until its instance is obsolete and everything is delivered, or `signal` is aborted: then it leaves at
 * once, and the instance lives on.
 *
 * @param options - `environment`: the agent's own, of which hooks and git get a few variables
 */
export async function runAgent(options: {
  config: Config;
  log: Log;
  environment: NodeJS.ProcessEnv;
  signal: AbortSignal;
}): Promise<{ gaveUp: boolean }> {
  const { config, log, environment, signal } = options;
  const part = (name: string) => log.child({ part: name });
  await using parts = new AsyncDisposableStack(); // closed in reverse order, whatever happens

  const models = createModels(config);
  const journal = parts.adopt(openJournal(config.stateDir, part('journal')), (it) => it.close());
  const broker = parts.adopt(openBroker(config, part('broker'), receive), (it) => it.close());
  const hooks = parts.use(
    createHooks({ ...hookOptions(config), log, environment, facts: () => models.facts(broker.server.host) }),
  );
  const outbox = createOutbox({
    broker,
    log: part('outbox'),
    signal,
    receipt: ({ event }) => journal.append({ kind: 'receipt', event }),
  });
  const requests = createRequests({ broker, log: part('requests'), signal });
  const artifacts = createArtifacts({ ...artifactOptions(config), log: part('artifacts'), environment });
  const deployments = createDeployments({ artifacts, log: part('artifacts') });
  const world = createWorld({ config, broker, hooks, outbox, requests, deployments, log });
  const lifecycle = parts.adopt(
    startLifecycle(lifecycleInput(config), { world, journal, log: part('lifecycle') }),
    (it) => it.stop(),
  );
  const inbox = createInbox({ config, models, hooks, lifecycle, requests, deployments, log: part('inbox') });

  function receive(topic: string, payload: Uint8Array): void {
    inbox(topic, payload);
  }

  const end = await Promise.race([lifecycle.ended, aborted(signal)]);
  if (end === null) {
    log.info({ event: 'agent.stopping', reason: String(signal.reason) }, 'agent stops, the instance lives on');
    return { gaveUp: false };
  }
  const goodbye = Promise.all([hooks.settle(noticesDueMs), broker.endSession()]);
  await Promise.race([goodbye, aborted(signal)]);
  log.info({ event: 'agent.ended', ...end }, 'instance is gone, agent ends');
  return end;
}

function openBroker(config: Config, log: Log, onMessage: (topic: string, payload: Uint8Array) => void): Broker {
  const options = {
    ...config.broker,
    clientId: clientIdOf(config.instance.memberId),
    persistent: true,
    subscriptions: Object.fromEntries(subscriptions.map(({ filter, qos }) => [filter, qos])),
  };
  return connectBroker(options, { log, onMessage });
}

/** Stable, so that the broker knows us again; characters a broker may dislike are replaced. */
function clientIdOf(memberId: string): string {
  return `cartridge-agent-${memberId.replace(/[^A-Za-z0-9._-]/g, '-')}`;
}

function hookOptions({ hooks, instance }: Config) {
  const { applicationId, serviceName, clusterId, memberId, clusterInstanceId, networkPartitionId, partitionId } =
    instance;
  const { tenantId } = instance;
  const ids = {
    applicationId,
    serviceName,
    clusterId,
    memberId,
    clusterInstanceId,
    networkPartitionId,
    partitionId,
    tenantId,
  };
  return { config: hooks, instance: ids };
}

function artifactOptions({ artifacts, instance, stateDir }: Config) {
  return { config: artifacts, multiTenant: instance.multiTenant, stateDir };
}

function lifecycleInput({ artifacts, hooks, activationDeadlineMs, termination }: Config) {
  return {
    hasRepository: artifacts.expected,
    gates: { lvsInterface: hooks.lvsVirtualIp !== null, volumeMount: hooks.persistenceMapping !== null },
    activationDeadlineMs,
    terminationBudgetMs: termination.budgetMs,
    cloneRetries: artifacts.retries,
    cloneRetryIntervalMs: artifacts.retryIntervalMs,
  };
}

/** Resolves with null once the signal is aborted. */
function aborted(signal: AbortSignal): Promise<null> {
  if (signal.aborted) return Promise.resolve(null);
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(null), { once: true }));
}
