import { assign, fromPromise, raise, setup } from 'xstate';
import type { MemberStatus } from '../messages/member.ts';
import { type Notes, withNote, withoutNote } from './condition.ts';

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

/** What a look at the repository found; `commit` is what will be in place. */
export type Deployment = { readonly tenantId: string; readonly commit: string; readonly changed: boolean };

/** What the machine is told from outside. The raised ones are its own words from one region to the others. */
export type LifecycleEvent =
  | { readonly type: 'MemberTold'; readonly status: MemberStatus | 'Absent' }
  | { readonly type: 'ArtifactUpdated'; readonly tenantId: string }
  | { readonly type: 'CleanupRequested' }
  | { readonly type: 'GateHeld'; readonly gate: Gate; readonly reason: string }
  | { readonly type: 'raised.Activated' }
  | { readonly type: 'raised.Leaving' }
  | { readonly type: 'raised.Departed' }
  | { readonly type: 'raised.ArtifactsSettled' };

/** The facts a life is created from. Durations in milliseconds. */
export type LifecycleInput = {
  readonly hasRepository: boolean;
  readonly gates: { readonly lvsInterface: boolean; readonly volumeMount: boolean };
  readonly activationDeadlineMs: number | null;
  readonly terminationBudgetMs: number;
  readonly cloneRetries: number;
  readonly cloneRetryIntervalMs: number;
};

/** Small, plain JSON: goes to the journal. */
export type LifecycleContext = LifecycleInput & {
  /** What the platform last said of this member; null until the first complete topology. */
  readonly told: MemberStatus | 'Absent' | null;
  /** A start hook has begun, here or before a restart: there is something to clean. */
  readonly startedAnything: boolean;
  readonly activated: boolean;
  readonly leaving: boolean;
  readonly gaveUp: boolean;
  /** Start hooks are through: files may change. */
  readonly mayDeploy: boolean;
  /** Tenants whose repository is to be looked at, in order. */
  readonly wanted: readonly string[];
  /** The tenant whose repository is being looked at, and what was found. */
  readonly deploying: { readonly tenantId: string; readonly found: Deployment | null } | null;
  /** Tenants whose artifacts are in place, hook included. */
  readonly deployed: readonly string[];
  /** Failed attempts by tenant, since the last one that worked. */
  readonly failedDeployments: Readonly<Record<string, number>>;
  readonly failedPortWaits: number;
  readonly notes: Notes;
};

const backOffLimitMs = 60_000;

/** The words the machine is written in. What touches the world is provided by the agent. */
export const vocabulary = setup({
  types: {
    context: {} as LifecycleContext,
    events: {} as LifecycleEvent,
    input: {} as LifecycleInput,
    output: {} as { gaveUp: boolean },
    tags: {} as 'ended',
  },
  actors: {
    requestTopology: fromPromise<void>(notProvided),
    runGate: fromPromise<GateOutcome, { gate: Gate; tenantId?: string; budgetMs?: number }>(notProvided),
    delivery: fromPromise<void, { event: StatusEvent; atMostMs: number | null }>(notProvided),
    fetchArtifact: fromPromise<Deployment, { tenantId: string }>(notProvided),
    placeArtifact: fromPromise<void, { tenantId: string }>(notProvided),
    waitForPorts: fromPromise<void>(notProvided),
    publishStatistics: fromPromise<void>(notProvided),
    flushOutbox: fromPromise<void>(notProvided),
    pause: fromPromise<void, { ms: number | null }>(notProvided),
  },
  actions: {
    decide: (_, _params: { event: StatusEvent }) => notProvided(),
    notifyActivated: notProvided,
    requestTenants: notProvided,
    remember: assign((_, facts: Partial<LifecycleContext>) => facts),
    hear: assign(({ context, event }) => (event.type === 'MemberTold' ? hear(context, event.status) : {})),
    note: assign(
      ({ context }, note: { about: string; condition: 'waiting' | 'blocked' | 'degraded'; text: string }) => ({
        notes: withNote(context.notes, note),
      }),
    ),
    lookAgain: assign(({ context, event }) => {
      const tenants = [context.deploying?.tenantId, event.type === 'ArtifactUpdated' ? event.tenantId : undefined];
      const wanted = new Set([...context.wanted, ...tenants.filter((tenantId) => tenantId !== undefined)]);
      return { wanted: [...wanted], deploying: null };
    }),
    clearNote: assign(({ context }, { about }: { about: string }) => ({ notes: withoutNote(context.notes, about) })),
    raiseActivated: raise({ type: 'raised.Activated' }),
    raiseLeaving: raise({ type: 'raised.Leaving' }),
    raiseDeparted: raise({ type: 'raised.Departed' }),
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
    isWanted: ({ context }) => context.mayDeploy && context.wanted.length > 0,
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

function hear(context: LifecycleContext, told: MemberStatus | 'Absent'): Partial<LifecycleContext> {
  const vanished = told === 'Absent' && context.activated && !context.leaving;
  const note = { about: 'member', condition: 'degraded' as const, text: 'the platform no longer lists this member' };
  return { told, notes: vanished ? withNote(context.notes, note) : withoutNote(context.notes, 'member') };
}

function notProvided(): never {
  throw new Error('the agent provides this');
}
