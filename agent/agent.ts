import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import packageJson from '../package.json' with { type: 'json' };
import { type GateName, hooks as hookKinds, isHookName } from '../plugins/contract.ts';
import type { Config } from '../state/config/config.ts';
import { AgentError } from '../state/errors.ts';
import type { Presence as PresenceMessage } from '../state/messages/presence.ts';
import { subscriptions } from '../state/messages/topics.ts';
import type { Provenance } from '../state/provenance.ts';
import { publicRepositories } from '../state/repositories.ts';
import type { Drift } from './artifacts/fetched.ts';
import { createProgress } from './artifacts/git/progress.ts';
import { type Broker, connectBroker } from './broker/broker.ts';
import type { LinkNote } from './broker/complaints.ts';
import { createClockWatch } from './clock.ts';
import { createControl, type GateAnswer, type GateOrder } from './control.ts';
import { openDataBridge } from './data-bridge.ts';
import { createDeployments } from './deployments.ts';
import { createFaults } from './faults.ts';
import { createHooks } from './hooks/hooks.ts';
import { isHarmless } from './hooks/problems.ts';
import { createInbox } from './inbox.ts';
import { openJournal } from './journal/journal.ts';
import { startLifecycle } from './lifecycle.ts';
import { claimStateDir } from './lock.ts';
import { failure, type Log } from './log.ts';
import { createModels } from './models.ts';
import { createOutbox } from './outbox.ts';
import { createPluggableArtifacts } from './plugins/artifacts.ts';
import { openPlugins } from './plugins/open.ts';
import { createPresence, type Presence } from './presence/presence.ts';
import { createRequests } from './requests.ts';
import { artifactOptions, clientIdOf, hookOptions, interruptedGates, lifecycleInput, limitsOf } from './settings.ts';
import { createStatus } from './status/collect.ts';
import { observedBroker, observedDeployments } from './status/observed.ts';
import { createRecorder, type Recorder } from './status/recorder.ts';
import { createWorld, letterOf } from './world.ts';

/** The instance was not active by `activation.deadline`. */
export class ActivationDeadlineError extends AgentError {
  override readonly name = 'ActivationDeadlineError';
  readonly code = 'ACTIVATION_DEADLINE';
  readonly remedy =
    'Mend what the instance lacked, or raise activation.deadline, and have the platform make a new instance.';
}

const agentVersion: string = packageJson.version;
/** Notices that are due when the instance is gone get this long. @see plugins.md, "The hooks" */
const noticesDueMs = 2_000;

/**
 * Runs one agent until its instance is obsolete and everything is delivered, or `signal` is aborted: then it leaves at
 * once, and the instance lives on.
 *
 * @param options - `confFile`: where the configuration comes from; `environment`: the agent's own, of which hooks and git
 * get a few variables
 * @throws StateDirTakenError if another agent has `state.dir`; ConfigError if plugins cannot be used as they are configured
 */
export async function runAgent(options: {
  config: Config;
  confFile: string;
  log: Log;
  environment: NodeJS.ProcessEnv;
  signal: AbortSignal;
}): Promise<{ gaveUp: boolean }> {
  const { config, log, environment } = options;
  const quitting = new AbortController();
  const signal = quitting.signal;
  const part = (name: string) => log.child({ part: name });
  await using parts = new AsyncDisposableStack(); // closed in reverse order, whatever happens

  const { stateDir, instance } = config;
  const identity = { memberId: instance.memberId, runId: randomUUID(), pid: process.pid };
  const faults = createFaults(environment);
  const claim = parts.adopt(await claimStateDir(stateDir, { identity, log: part('lock') }), (it) => it.release());
  const { journal, recovery } = openOwnJournal();
  parts.defer(() => journal.close());
  claim.onReclaimed(journal.restore);
  const recorder = createRecorder({ resumed: recovery.state, artifacts: recovery.artifacts });
  const { reports } = recorder;
  const models = createModels(config);
  const clock = createClockWatch({ tell: noticeAbout('clock'), log: part('clock') });
  const plugins = parts.use(
    await openPlugins({ ...options, clock, state: () => recorder.memory.step?.value.state ?? recovery.state }),
  );
  const tellBridge = (about: string, note: LinkNote | null) => noticeAbout(about)(note);
  const bridge = parts.use(await openDataBridge({ config, tell: tellBridge, log: part('thrift') }));
  const presence = createPresence({ identity: speaker(), log: part('presence'), onNote: noticeAbout('identity') });
  const link = { log: part('broker'), onMessage: receive, onNote: noticeAbout('link') };
  const connection = parts.adopt(openBroker(config, presence, link), (it) => it.close());
  const broker = observedBroker(connection, reports, signal);
  presence.over(broker, signal);
  const hooks = parts.use(
    createHooks({
      ...hookOptions(config),
      plugins,
      interrupted: interruptedGates(recovery),
      log,
      environment,
      faults,
      owner: `${instance.memberId} ${stateDir}`,
      facts: () => models.facts(broker.server.host),
      onRan: reports.hookRan,
      onProblems: (problems) => {
        reports.hooksChecked(problems.map(({ message }) => message));
        const text = problems.flatMap((it) => (isHarmless(it) ? [] : [it.message])).join('; ');
        noticeAbout('hooks')(text === '' ? null : { condition: 'degraded', text });
      },
      onTrouble: (script, reason) =>
        noticeAbout(script)(reason === null ? null : { condition: 'degraded', text: `${script}: ${reason}` }),
    }),
  );
  const outbox = createOutbox({
    undelivered: recovery.undelivered.map((event) => letterOf(event, config)),
    // A member that is Active for the platform would be taken out of service by it; and the journal may be behind.
    isDue: async ({ event }, closing) =>
      event !== 'InstanceStartedEvent' || ['Initialized', 'Starting'].includes(await models.ownStatus(closing)),
    faults,
    broker,
    log: part('outbox'),
    signal,
    receipt: ({ event }) => {
      journal.append({ kind: 'receipt', event });
      reports.delivered(event);
      lifecycle.send({ type: 'StatusOut', left: outbox.waiting.length });
    },
  });
  const requests = createRequests({ broker, log: part('requests'), signal });
  const artifacts = createPluggableArtifacts({
    ...artifactOptions(config),
    ...{ plugins, inPlace: recovery.artifacts, log: part('artifacts'), environment, faults },
  });
  const deployments = observedDeployments(
    createDeployments({ ...config.artifacts, artifacts, events: artifactEvents(), log: part('artifacts') }),
    reports,
  );
  const tidied = deployments.tidyUp(recovery.facts, signal);
  for (const repository of publicRepositories(instance.clusterId, recovery.facts)) deployments.told(repository);
  const world = createWorld({
    config,
    broker,
    hooks,
    outbox,
    requests,
    deployments,
    plugins,
    bridge,
    clock,
    reports,
    log,
  });
  const lifecycle = parts.adopt(
    startLifecycle(lifecycleInput(config, recovery), {
      world,
      journal,
      limits: limitsOf(config),
      log: part('lifecycle'),
      onStep: (step) => {
        reports.stepped(step);
        const { state, condition, message } = step;
        presence.tell({ state, condition, message, artifact: newestArtifact(recorder) });
      },
    }),
    (it) => it.stop(),
  );
  if (outbox.waiting.length > 0) lifecycle.send({ type: 'StatusOut', left: outbox.waiting.length });
  const run = { id: identity.runId, version: agentVersion };
  const { waits } = lifecycle;
  const status = createStatus({ run, config, recorder, broker, outbox, waits, bridge });
  claim.onAsk(createControl({ status }, { onGate: orderGate }));
  const inbox = createInbox({ config, models, hooks, lifecycle, requests, deployments, clock, log: part('inbox') });

  function openOwnJournal() {
    const run = { id: identity.runId, agentVersion };
    return openJournal({ stateDir, memberId: instance.memberId, log: part('journal'), faults, run });
  }

  function artifactEvents() {
    const tellProgress = createProgress({
      log: part('artifacts'),
      tell: (tenantId, text) => {
        reports.artifactProgressed(tenantId, text);
        const note = text === null ? null : { condition: 'waiting' as const, text };
        lifecycle.send({ type: 'Noticed', about: 'artifact progress', note });
      },
    });
    return {
      recorded: (record: Provenance) => {
        journal.append({ kind: 'artifact', record });
        reports.artifactRecorded(record);
      },
      drifted: (tenantId: string, path: string, { paths }: Drift) => {
        if (paths.length > 0) hooks.notify('artifactDrifted', { tenantId, path, changedPaths: paths });
      },
      looked: reports.artifactDrifted,
      progressed: tellProgress,
    };
  }

  function orderGate({ action, gate, reason }: GateOrder): GateAnswer['result'] {
    if (!isHookName(gate) || hookKinds[gate].kind !== 'gate') return 'unknown gate';
    const type = action === 'retry' ? ('GateRetried' as const) : ('GateSkipped' as const);
    const isDone = lifecycle.order({ type, gate: gate as GateName, reason });
    if (isDone)
      log.warn({ event: 'gate.ordered', action, gate, reason }, 'an operator has opened a gate, or had it asked again');
    return isDone ? 'done' : 'not blocked';
  }

  function speaker() {
    const { memberId, clusterId } = instance;
    return { memberId, clusterId, runId: identity.runId, host: hostname(), agent: agentVersion };
  }

  function noticeAbout(about: string) {
    return (note: LinkNote | null) => lifecycle.send({ type: 'Noticed', about, note });
  }

  function receive(topic: string, payload: Uint8Array): void {
    if (!presence.hear(topic, payload)) inbox(topic, payload);
  }

  plugins.attach({ broker, send: lifecycle.send });
  const noticeDisk = (failed: boolean) => {
    const text = 'state.dir cannot be written: a kill now would lose what has happened since';
    lifecycle.send({ type: 'Noticed', about: 'journal', note: failed ? { condition: 'degraded', text } : null });
  };
  journal.onFailure(noticeDisk);
  if (journal.failed) noticeDisk(true);
  const noticeLock = (failed: boolean) => {
    const text = 'state.dir cannot be claimed: nothing keeps a second agent from it, and status cannot ask this one';
    lifecycle.send({ type: 'Noticed', about: 'lock', note: failed ? { condition: 'degraded', text } : null });
  };
  claim.onFailure(noticeLock);
  if (claim.failed) noticeLock(true);

  onAbort(options.signal, (reason) => {
    const { onSigterm, sigtermBudgetMs: budgetMs } = config.termination;
    if (!onSigterm || reason !== 'SIGTERM') return quitting.abort(reason);
    log.info({ event: 'agent.terminating', reason, budgetMs }, 'asked to end, and the instance with us');
    lifecycle.send({ type: 'CleanupRequested', budgetMs });
  });
  const end = await Promise.race([lifecycle.ended, aborted(signal), claim.taken]);
  if (end === null) {
    log.info({ event: 'agent.stopping', reason: String(signal.reason) }, 'agent stops, the instance lives on');
    await presence.leave(`agent stopped by ${String(signal.reason)}`);
    return { gaveUp: false };
  }
  const goodbye = Promise.all([
    hooks.settle(noticesDueMs),
    Promise.race([tidied, setTimeout(noticesDueMs, undefined, { ref: false })]),
    presence.clear().then(() => broker.endSession()),
  ]);
  await Promise.race([goodbye, aborted(signal)]);
  if (end.gaveUp === 'now') {
    const error = new ActivationDeadlineError('cannot activate the instance in time', {
      facts: { lacked: end.lacked },
    });
    log.error({ event: 'agent.gaveUp', ...failure(error) }, 'gave up the instance');
  } else {
    const said = end.gaveUp === null ? 'instance is gone, agent ends' : 'instance was given up earlier, agent ends';
    log.info({ event: 'agent.ended', gaveUp: end.gaveUp !== null }, said);
  }
  return { gaveUp: end.gaveUp === 'now' };
}

function openBroker(config: Config, presence: Presence, parts: Parameters<typeof connectBroker>[1]): Broker {
  const filters = Object.fromEntries(subscriptions.map(({ filter, qos }) => [filter, qos]));
  const options = {
    ...config.broker,
    clientId: clientIdOf(config.instance.memberId),
    persistent: true,
    subscriptions: { ...filters, [presence.topic]: 1 as const },
    will: presence.will,
  };
  return connectBroker(options, parts);
}

/** What was put in place last, for those who look at the fleet. */
function newestArtifact({ memory }: Pick<Recorder, 'memory'>): PresenceMessage['artifact'] {
  const placed = [...memory.artifacts].toSorted(([, one], [, other]) => other.atMs - one.atMs);
  const [newest] = placed.flatMap(
    ([
      tenantId,
      {
        value: { commit, provenance, driftedFiles },
      },
    ]) =>
      commit === null
        ? []
        : [{ tenantId, commit, provenance, drifted: driftedFiles === null ? null : driftedFiles > 0 }],
  );
  return newest ?? null;
}

/** Resolves with null once the signal is aborted. */
function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => onAbort(signal, () => resolve(null)));
}

function onAbort(signal: AbortSignal, act: (reason: unknown) => void): void {
  if (signal.aborted) act(signal.reason);
  else signal.addEventListener('abort', () => act(signal.reason), { once: true });
}
