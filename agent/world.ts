import type { Config } from '../state/config/config.ts';
import type { StatusEvent } from '../state/lifecycle/context.ts';
import { topicOf, writeMessage } from '../state/messages/topics.ts';
import type { Broker } from './broker/broker.ts';
import type { ClockWatch } from './clock.ts';
import type { Deployments } from './deployments.ts';
import { publishStatistics } from './health/health.ts';
import { createMeasure, type Measure } from './health/measure.ts';
import { createReaders, type HealthReader, type Statistics } from './health/readers.ts';
import { createGateWords } from './hooks/gate-words.ts';
import type { Hooks } from './hooks/hooks.ts';
import type { World } from './lifecycle.ts';
import type { Log } from './log.ts';
import type { Letter, Outbox } from './outbox.ts';
import { type PortAnswer, waitForPorts } from './ports.ts';
import type { Requests } from './requests.ts';
import type { DataBridge } from './thrift/bridge.ts';

/** The parts that the orders of the machine go to. */
type Parts = {
  config: Config;
  broker: Broker;
  hooks: Hooks;
  outbox: Outbox;
  requests: Requests;
  deployments: Deployments;
  /** What they measure is published beside memory and load. */
  plugins?: { healthReaders(): readonly HealthReader[] };
  /** Gets what is measured, beside the broker. */
  bridge?: Pick<DataBridge, 'measured'>;
  /** Looked at with each round. */
  clock?: Pick<ClockWatch, 'look'>;
  /** Told of each port that was looked at, and of each round of statistics. */
  reports?: { portAnswered(answer: PortAnswer): void; statisticsSent(values: Statistics): void };
  log: Log;
};

/** What the machine orders, done by the parts. */
export function createWorld(parts: Parts): World {
  const { config, broker, hooks, outbox, requests, deployments, plugins, bridge, clock, reports, log } = parts;

  function portsAnswer(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { numbers: ports, host } = config.ports;
    return waitForPorts({ ports, host, timeoutMs, signal, ...(reports && { onAnswer: reports.portAnswered }) });
  }

  return {
    requestTopology: (signal) => requests.topologyUntilAnswered(signal),
    requestTenants: () => requests.tenants(),
    catchUp: () => {
      requests.tenants();
      requests.topologyUntilAnswered(new AbortController().signal).catch((err) => log.debug({ err }, 'no answer'));
    },
    runGate: async ({ gate, attempt, passed, found, budgetMs }, on, signal) => {
      using words = createGateWords(on.held);
      const onPassed = on.passed;
      const options = {
        signal,
        onStatus: words.take,
        onPassed,
        attempt,
        passed,
        ...(budgetMs === undefined ? {} : { budgetMs }),
      };
      if (gate === 'lvsInterface')
        return await hooks.gate(gate, { virtualIp: config.hooks.lvsVirtualIp ?? '' }, options);
      if (gate === 'volumeMount') {
        return await hooks.gate(gate, { persistenceMapping: config.hooks.persistenceMapping ?? '' }, options);
      }
      if (gate === 'artifactUpdating' || gate === 'artifactUpdated') {
        if (found === undefined) throw new Error(`${gate} without a deployment`);
        return await hooks.gate(gate, await deployments.hookInput(found, signal), options);
      }
      return await hooks.gate(gate, {}, options);
    },
    tellActivated: (attempt) => new Promise((onTold) => hooks.notify('instanceActivated', {}, { attempt, onTold })),
    decide: (event) => outbox.post(letterOf(event, config)),
    delivery: ({ event, atMostMs }, signal) => outbox.out(event, { atMostMs, signal }),
    flushOutbox: (signal) => outbox.flushed(signal),
    fetchArtifact: ({ tenantId, trigger }, signal) => deployments.fetch(tenantId, { trigger, signal }),
    placeArtifact: (found, signal) => deployments.place(found, signal),
    proveArtifact: (signal) => portsAnswer(config.artifacts.verify.timeoutMs, signal),
    acceptArtifact: (found, signal) => deployments.accept(found, signal),
    returnArtifact: ({ found, reason }, signal) => deployments.takeBack(found, { reason, signal }),
    removeArtifact: (tenantId, signal) => deployments.remove(tenantId, signal),
    waitForPorts: (signal) => portsAnswer(config.ports.timeoutMs, signal),
    publishStatistics: async (signal) => {
      const healthLog = log.child({ part: 'health' });
      const measure = createMeasure();
      const measureForAll: Measure = async () => {
        const values = await measure();
        clock?.look();
        bridge?.measured(values);
        return values;
      };
      // CEP nodes are not behind the broker, and need not wait for it.
      if (config.health.enabled && broker.link !== 'up') void measureForAll();
      const readers = createReaders(() => plugins?.healthReaders() ?? [], { log: healthLog });
      await publishStatistics(
        { reporter: config.instance, ...config.health, signal },
        { broker, measure: measureForAll, readers, log: healthLog, ...(reports && { onSent: reports.statisticsSent }) },
      );
    },
  };
}

/** A status event of this instance, as it goes to the broker. */
export function letterOf(event: StatusEvent, config: Config): Letter {
  return { event, topic: topicOf(event), payload: statusPayload(event, config) };
}

/** Ids go out as launch-params have them: the autoscaler looks members up by them. @see protocol.md section 4.5 */
function statusPayload(event: StatusEvent, { instance }: Config): string {
  const { applicationId, serviceName, clusterId, memberId } = instance;
  const clusterInstanceId = instance.clusterInstanceId ?? undefined;
  const networkPartitionId = instance.networkPartitionId ?? undefined;
  const partitionId = instance.partitionId ?? undefined;
  const body = { serviceName, clusterId, memberId, clusterInstanceId, networkPartitionId, partitionId };
  return event === 'InstanceStartedEvent' ? writeMessage(event, { applicationId, ...body }) : writeMessage(event, body);
}
