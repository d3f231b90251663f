import { assign, fromPromise, raise, setup } from 'xstate';
import type { MemberStatus } from '../messages/member.ts';
import { type Note, type Notes, withNote, withoutNote } from './condition.ts';
import type { Deployment, Facts } from './facts.ts';

/** The events this agent publishes about its own instance. @see protocol.md section 4.5 */
export type StatusEvent =
  | 'InstanceStartedEvent'
  | 'InstanceActivatedEvent'
  | 'InstanceMaintenanceModeEvent'
  | 'InstanceReadyToShutdownEvent';

/** The gates the lifecycle waits at. @see plugins.md, "The hooks" */
export type Gate =
  | 'lvsInterface'
  | 'volumeMount'
  | 'instanceStarting'
  | 'startServers'
  | 'artifactUpdating'
  | 'artifactUpdated'
  | 'instanceActivating'
  | 'drain'
  | 'clean';

/** How a gate ended: open, or closed until its cause changes. `degraded`: passed, but somebody should look. */
export type GateOutcome =
  | { readonly kind: 'passed'; readonly degraded?: string }
  | { readonly kind: 'blocked'; readonly reason: string };

/** What the machine is told from outside. The raised ones are its own words from one region to the others. */
export type LifecycleEvent =
  /** `complete`: a complete topology says so. */
  | { readonly type: 'MemberTold'; readonly status: MemberStatus | 'Absent'; readonly complete: boolean }
  | { readonly type: 'ArtifactUpdated'; readonly tenantId: string }
  /** `budgetMs`: leaving may take no longer than this, whatever else is configured; null for no such limit. */
  | { readonly type: 'CleanupRequested'; readonly budgetMs: number | null }
  | { readonly type: 'GateHeld'; readonly gate: Gate; readonly reason: string }
  /** One executable of a gate is through, and another one is next. */
  | { readonly type: 'HookPassed'; readonly gate: Gate; readonly executable: string }
  /** Something about the agent itself that people should know, or no longer need to: the disk, the link. */
  | { readonly type: 'Noticed'; readonly about: string; readonly note: Note | null }
  | { readonly type: 'raised.Decided' }
  | { readonly type: 'raised.Activated' }
  | { readonly type: 'raised.Leaving' }
  | { readonly type: 'raised.Departed' }
  | { readonly type: 'raised.HurryOver' }
  | { readonly type: 'raised.ArtifactsSettled' };

/** The facts a life is created from. Durations in milliseconds. */
export type LifecycleInput = {
  readonly hasRepository: boolean;
  readonly gates: { readonly lvsInterface: boolean; readonly volumeMount: boolean };
  readonly activationDeadlineMs: number | null;
  readonly terminationBudgetMs: number;
  readonly cloneRetries: number;
  readonly cloneRetryIntervalMs: number;
  /** What an earlier run left of this life. `terminationBudgetMs` is then what is left of it. */
  readonly facts: Facts;
  /** Since InstanceStarted was last decided by an earlier run; null if it was not. */
  readonly startedAgoMs: number | null;
};

/** Small, plain JSON; the facts of it go to the journal. */
export type LifecycleContext = Omit<LifecycleInput, 'facts'> &
  Facts & {
    /** What the platform last said of this member; null until the first complete topology. */
    readonly told: MemberStatus | 'Absent' | null;
    /** Tenants whose repository is to be looked at, in order. */
    readonly wanted: readonly string[];
    /** The tenant whose repository is being looked at. */
    readonly deploying: string | null;
    /** Failed attempts by tenant, since the last one that worked. */
    readonly failedDeployments: Readonly<Record<string, number>>;
    readonly failedPortWaits: number;
    readonly notes: Notes;
  };

/** What a gate is asked with. `attempt` counts from 1, also across restarts. */
export type GateInput = {
  readonly gate: Gate;
  readonly attempt: number;
  /** Its executables that are through already. */
  readonly passed: readonly string[];
  /** For the gates of an update. */
  readonly found?: Deployment;
  /** For drain and clean. */
  readonly budgetMs?: number;
};

const backOffLimitMs = 60_000;

/** The words the machine is written in. What touches the world is provided by the agent. */
export const vocabulary = setup({
  types: {
    context: {} as LifecycleContext,
    events: {} as LifecycleEvent,
    input: {} as LifecycleInput,
    tags: {} as 'ended',
  },
  actors: {
    requestTopology: fromPromise<void>(notProvided),
    runGate: fromPromise<GateOutcome, GateInput>(notProvided),
    delivery: fromPromise<void, { event: StatusEvent; atMostMs: number | null }>(notProvided),
    fetchArtifact: fromPromise<Deployment, { tenantId: string }>(notProvided),
    placeArtifact: fromPromise<void, { found: Deployment }>(notProvided),
    waitForPorts: fromPromise<void>(notProvided),
    publishStatistics: fromPromise<void>(notProvided),
    flushOutbox: fromPromise<void>(notProvided),
    pause: fromPromise<void, { ms: number | null }>(notProvided),
  },
  actions: {
    decide: (_, _params: { event: StatusEvent }) => notProvided(),
    notifyActivated: notProvided,
    requestTenants: notProvided,
    catchUp: notProvided,
    remember: assign((_, facts: Partial<LifecycleContext>) => facts),
    hear: assign(({ context, event }) => (event.type === 'MemberTold' ? hear(context, event.status) : {})),
    notice: assign(({ context, event }) => {
      if (event.type !== 'Noticed') return {};
      const { about, note } = event;
      return { notes: note === null ? withoutNote(context.notes, about) : withNote(context.notes, { about, ...note }) };
    }),
    note: assign(({ context }, note: Note & { readonly about: string }) => ({
      notes: withNote(context.notes, note),
    })),
    lookAgain: assign(({ context, event }) => {
      const tenants = [context.deploying ?? undefined, event.type === 'ArtifactUpdated' ? event.tenantId : undefined];
      const wanted = new Set([...context.wanted, ...tenants.filter((tenantId) => tenantId !== undefined)]);
      return { wanted: [...wanted], deploying: null, unsettled: null };
    }),
    allow: assign(({ context: { unsettled } }) =>
      unsettled === null ? {} : { unsettled: { ...unsettled, isAllowed: true } },
    ),
    passHook: assign(({ context, event }) => {
      if (event.type !== 'HookPassed') return {};
      return { passedHooks: [...new Set([...context.passedHooks, `${event.gate} ${event.executable}`])] };
    }),
    clearNote: assign(({ context }, { about }: { about: string }) => ({ notes: withoutNote(context.notes, about) })),
    beginGate: assign(({ context }, { gate }: { gate: Gate }) => ({
      attempts: { ...context.attempts, [gate]: (context.attempts[gate] ?? 0) + 1 },
    })),
    endGate: assign(({ context }, { gate }: { gate: Gate }) => ({
      attempts: Object.fromEntries(Object.entries(context.attempts).filter(([name]) => name !== gate)),
      passedHooks: context.passedHooks.filter((hook) => !hook.startsWith(`${gate} `)),
      // Those of an update are passed anew with each commit.
      passedGates: isOfUpdate(gate) ? context.passedGates : [...new Set([...context.passedGates, gate])],
    })),
    raiseDecided: raise({ type: 'raised.Decided' }),
    raiseActivated: raise({ type: 'raised.Activated' }),
    raiseLeaving: raise({ type: 'raised.Leaving' }),
    raiseDeparted: raise({ type: 'raised.Departed' }),
    raiseHurryOver: raise({ type: 'raised.HurryOver' }),
    raiseArtifactsSettled: raise({ type: 'raised.ArtifactsSettled' }),
  },
  guards: {
    isInitialized: ({ context }) => context.told === 'Initialized',
    isStarting: ({ context }) => context.told === 'Starting',
    isActive: ({ context }) => context.told === 'Active',
    isLeaving: ({ context }) => context.told === 'In_Maintenance' || context.told === 'ReadyToShutDown',
    hasVirtualInterface: ({ context }) => context.gates.lvsInterface,
    hasVolumes: ({ context }) => context.gates.volumeMount,
    artifactsAreInPlace: ({ context }) => !context.hasRepository || context.deployed.length > 0,
    maySayStartedAgain: ({ context }) =>
      context.wanted.length === 0 &&
      context.deploying === null &&
      (context.told === 'Initialized' || context.told === 'Starting'),
    isNews: ({ context }, { found }: { found: Deployment }) =>
      found.changed ||
      found.tenantId in context.failedDeployments ||
      !(context.activated || context.deployed.includes(found.tenantId)),
    isAllowed: ({ context: { unsettled } }, { found }: { found: Deployment }) =>
      unsettled?.isAllowed === true &&
      unsettled.found.tenantId === found.tenantId &&
      unsettled.found.commit === found.commit,
    isWanted: ({ context }) => mayDeploy(context) && context.wanted.length > 0,
    wasPlaced: ({ context }) => mayDeploy(context) && context.unsettled?.isPlaced === true,
    wasAllowed: ({ context }) => mayDeploy(context) && context.unsettled?.isAllowed === true,
    wasFound: ({ context }) => mayDeploy(context) && context.unsettled !== null,
    wasPassed: ({ context }, { gate }: { gate: Gate }) => context.passedGates.includes(gate),
    isHurried: ({ event }) => event.type === 'CleanupRequested' && event.budgetMs !== null,
    hasDeparted: ({ context }) => context.departed,
    wasActivated: ({ context }) => context.activated,
    wasNotified: ({ context }) => context.activated && context.activationNotified,
    wasLeaving: ({ context }) => context.leaving,
    wasLeavingActive: ({ context }) => context.leaving && context.activated,
    hasStarted: ({ context }) => context.started,
    isMaintenanceUnheard: ({ context, event }) => context.leaving && !context.departed && shows(event, 'Active'),
    isActivatedUnheard: ({ context, event }) => isServing(context) && shows(event, 'Starting'),
    isAllUnheard: ({ context, event }) => isServing(context) && shows(event, 'Initialized'),
    isStartedUnheard: ({ context, event }) =>
      context.started && !context.activated && !context.leaving && shows(event, 'Initialized'),
    isUntold: ({ context }) => context.told === null,
    isDegraded: (_, { outcome }: { outcome: GateOutcome }) =>
      outcome.kind === 'passed' && outcome.degraded !== undefined,
    isPassed: (_, { outcome }: { outcome: GateOutcome }) => outcome.kind === 'passed',
    startedAnything: ({ context }) => context.startedAnything,
    isComingUp: ({ context }) => !context.activated && !context.leaving,
  },
});

/** `baseMs`, doubled per failure, up to a minute. */
export function backOffMs(failures: number, baseMs: number): number {
  return Math.min(backOffLimitMs, baseMs * 2 ** Math.min(failures - 1, 16));
}

/** What a gate is asked with, from what is known. */
export function gateInput(gate: Gate, { attempts, passedHooks, unsettled }: LifecycleContext): GateInput {
  const of = `${gate} `;
  const passed = passedHooks.filter((hook) => hook.startsWith(of)).map((hook) => hook.slice(of.length));
  const input = { gate, attempt: attempts[gate] ?? 1, passed };
  return isOfUpdate(gate) && unsettled !== null ? { ...input, found: unsettled.found } : input;
}

export function isOfUpdate(gate: Gate): boolean {
  return gate === 'artifactUpdating' || gate === 'artifactUpdated';
}

/** Once the start hooks are through, files may change. */
function mayDeploy({ activated, leaving, passedGates }: LifecycleContext): boolean {
  return !leaving && (activated || passedGates.includes('startServers'));
}

function isServing({ activated, leaving }: LifecycleContext): boolean {
  return activated && !leaving;
}

function shows(event: LifecycleEvent, status: MemberStatus): boolean {
  return event.type === 'MemberTold' && event.complete && event.status === status;
}

function hear(context: LifecycleContext, told: MemberStatus | 'Absent'): Partial<LifecycleContext> {
  const vanished = told === 'Absent' && context.activated && !context.leaving;
  const note = { about: 'member', condition: 'degraded' as const, text: 'the platform no longer lists this member' };
  return { told, notes: vanished ? withNote(context.notes, note) : withoutNote(context.notes, 'member') };
}

function notProvided(): never {
  throw new Error('the agent provides this');
}
