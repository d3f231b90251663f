import { type GateName, hooks, isHookName } from '../plugins/contract.ts';
import type { Config } from '../state/config/config.ts';
import { noFacts } from '../state/lifecycle/facts.ts';
import type { Recovery } from './journal/journal.ts';

// What each part of the agent takes of the configuration.

/** Stable, so that the broker knows us again; characters a broker may dislike are replaced. */
export function clientIdOf(memberId: string): string {
  return `cartridge-agent-${memberId.replace(/[^A-Za-z0-9._-]/g, '-')}`;
}

/** Who we are, and what hooks depend on. */
export function hookOptions({ hooks, instance }: Config) {
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

export function artifactOptions({ artifacts, instance, stateDir }: Config) {
  return { config: artifacts, multiTenant: instance.multiTenant, stateDir };
}

/** The gates an earlier run was in when it ended: begun, not through, and not refused. */
export function interruptedGates({ facts }: Recovery): GateName[] {
  const { attempts, unsuccessful } = facts ?? noFacts;
  const refused = Object.values(unsuccessful).map(({ gate }) => gate as string);
  return Object.keys(attempts).flatMap((gate) => (isGate(gate) && !refused.includes(gate) ? [gate] : []));
}

function isGate(name: string): name is GateName {
  return isHookName(name) && hooks[name].kind === 'gate';
}

/** The facts of the configuration, and those an earlier run has left. */
export function lifecycleInput(config: Config, recovery: Recovery) {
  const { artifacts, hooks, activationDeadlineMs, termination, instance } = config;
  const { facts, leavingForMs, startedAgoMs } = recovery;
  const hurryMs = facts?.hurryBudgetMs ?? Number.POSITIVE_INFINITY;
  return {
    facts: facts ?? noFacts,
    startedAgoMs,
    hasRepository: artifacts.expected,
    gates: { lvsInterface: hooks.lvsVirtualIp !== null, volumeMount: hooks.persistenceMapping !== null },
    activationDeadlineMs,
    terminationBudgetMs: Math.max(0, Math.min(termination.budgetMs, hurryMs) - (leavingForMs ?? 0)),
    cloneRetries: artifacts.retries,
    cloneRetryIntervalMs: artifacts.retryIntervalMs,
    artifactIntervalMs: artifacts.updateEnabled ? artifacts.updateIntervalMs : null,
    multiTenant: instance.multiTenant,
  };
}

/** How long what takes time may take before people are told. */
export function limitsOf({ hooks, artifacts, ports, termination }: Config) {
  return {
    hookTimeoutMs: hooks.timeoutMs,
    artifactTimeoutMs: artifacts.timeoutMs,
    portsTimeoutMs: ports.timeoutMs,
    proofTimeoutMs: artifacts.verify.timeoutMs,
    terminationBudgetMs: termination.budgetMs,
  };
}
