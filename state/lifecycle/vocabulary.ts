import { assign, fromPromise, raise, setup } from 'xstate';
import { reasonOf } from '../errors.ts';
import type { MemberStatus } from '../messages/member.ts';
import { type Note, withNote, withoutNote } from './condition.ts';
import type {
  Gate,
  GateInput,
  GateOutcome,
  LifecycleContext,
  LifecycleEvent,
  LifecycleInput,
  StatusEvent,
  Trigger,
} from './context.ts';
import * as orders from './deployment-orders.ts';
import * as steps from './deployment-steps.ts';
import type { Deployment } from './facts.ts';

/** The one notice whose end is remembered: it is told again by the next run if this one ends over it. */
export const activatedNotice = 'instanceActivated';

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
    fetchArtifact: fromPromise<Deployment, { tenantId: string; trigger: Trigger }>(notProvided),
    placeArtifact: fromPromise<void, { found: Deployment }>(notProvided),
    /** Whether what is new in place works: the ports answer, or come back in time. */
    proveArtifact: fromPromise<void>(notProvided),
    acceptArtifact: fromPromise<void, { found: Deployment }>(notProvided),
    /** Back to the last commit that worked; answers which that is. */
    returnArtifact: fromPromise<Deployment, { found: Deployment; reason: string }>(notProvided),
    removeArtifact: fromPromise<void, { tenantId: string }>(notProvided),
    waitForPorts: fromPromise<void>(notProvided),
    publishStatistics: fromPromise<void>(notProvided),
    /** Resolves when the hooks have been told that the instance is active; never, where that is not due. */
    tellActivated: fromPromise<void, { isDue: boolean; attempt: number }>(notProvided),
    flushOutbox: fromPromise<void>(notProvided),
    pause: fromPromise<void, { ms: number | null }>(notProvided),
  },
  actions: {
    decide: (_, _params: { event: StatusEvent }) => notProvided(),
    requestTenants: notProvided,
    catchUp: notProvided,
    remember: assign((_, facts: Partial<LifecycleContext>) => facts),
    hear: assign(({ context, event }) => (event.type === 'MemberTold' ? hear(context, event.status) : {})),
    notice: assign(({ context, event }) => {
      if (event.type !== 'Noticed') return {};
      const { about, note } = event;
      // What is waited for behind the back of a service that serves is nobody's trouble.
      if (note?.condition === 'waiting' && context.activated) return {};
      return { notes: note === null ? withoutNote(context.notes, about) : withNote(context.notes, { about, ...note }) };
    }),
    note: assign(({ context }, note: Note & { readonly about: string }) => ({
      notes: withNote(context.notes, note),
    })),
    ask: assign(({ context, event }) =>
      event.type === 'ArtifactUpdated' ? steps.ask(context, event.tenantId, event.publicUrl ?? null) : {},
    ),
    lookAt: assign(({ context, event }) =>
      event.type === 'RepositoryTold' ? steps.lookAt(context, event.tenantId) : {},
    ),
    forget: assign(({ context, event }) =>
      event.type === 'SignUpRemoved' ? steps.forget(context, event.tenantId) : {},
    ),
    retryGate: assign(({ context, event }) =>
      event.type === 'GateRetried' ? orders.retryGate(context, event.gate) : {},
    ),
    skipGate: assign(({ context, event }) =>
      event.type === 'GateSkipped' ? orders.skipGate(context, event.gate) : {},
    ),
    lookAtAll: assign(({ context }) => steps.lookAtAll(context)),
    lookAtFailed: assign(({ context }) => steps.lookAtFailed(context)),
    takeNext: assign(({ context }) => steps.takeNext(context)),
    endRest: assign(({ context }) => steps.endRest(context)),
    rest: assign(({ context }) => steps.rest(context)),
    find: assign(({ context }, step: { found: Deployment; isAllowed: boolean }) => steps.find(context, step)),
    allow: assign(({ context }) => steps.allow(context)),
    markPlaced: assign(({ context }) => steps.markPlaced(context)),
    doubt: assign(({ context }, { gate }: { gate: Gate }) => steps.doubt(context, gate)),
    refuse: assign((_, { gate, outcome }: { gate: Gate; outcome: GateOutcome }) => steps.refuse(gate, outcome)),
    refuseUnproven: assign((_, { error }: { error: unknown }) => ({
      refusal: { reason: reasonOf(error), isVeto: true },
    })),
    hold: assign(({ context }) => steps.hold(context)),
    beginReturn: assign(({ context }) => steps.beginReturn(context)),
    takeBack: assign(({ context }, { found }: { found: Deployment }) => steps.takeBack(context, found)),
    settle: assign(({ context }) => steps.settle(context)),
    settleUnchanged: assign(({ context }, { found }: { found: Deployment }) => steps.settleUnchanged(context, found)),
    failDeployment: assign(({ context }, { error }: { error: unknown }) => steps.fail(context, error)),
    endRemoval: assign(({ context }, { error }: { error: unknown }) => steps.endRemoval(context, error)),
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
    hurry: assign(({ event }) => (event.type === 'CleanupRequested' ? { hurryBudgetMs: event.budgetMs } : {})),
    beginNotice: assign(({ context: { attempts, activationNotified } }) =>
      activationNotified ? {} : { attempts: { ...attempts, [activatedNotice]: (attempts[activatedNotice] ?? 0) + 1 } },
    ),
    endNotice: assign(({ context: { attempts } }) => ({
      activationNotified: true,
      attempts: Object.fromEntries(Object.entries(attempts).filter(([name]) => name !== activatedNotice)),
    })),
    raiseDecided: raise({ type: 'raised.Decided' }),
    raiseActivated: raise({ type: 'raised.Activated' }),
    raiseLeaving: raise({ type: 'raised.Leaving' }),
    raiseDeparted: raise({ type: 'raised.Departed' }),
    raiseDrainOver: raise({ type: 'raised.DrainOver' }),
    raiseHurryOver: raise({ type: 'raised.HurryOver' }),
    raiseArtifactsSettled: raise({ type: 'raised.ArtifactsSettled' }),
    raiseDeploymentFailed: raise({ type: 'raised.DeploymentFailed' }),
  },
  guards: {
    isInitialized: ({ context }) => context.told === 'Initialized',
    isStarting: ({ context }) => context.told === 'Starting',
    isActive: ({ context }) => context.told === 'Active',
    isLeaving: ({ context }) => context.told === 'In_Maintenance' || context.told === 'ReadyToShutDown',
    isShownLeaving: ({ event }) => shows(event, 'In_Maintenance') || shows(event, 'ReadyToShutDown'),
    hasVirtualInterface: ({ context }) => context.gates.lvsInterface,
    hasVolumes: ({ context }) => context.gates.volumeMount,
    artifactsAreInPlace: ({ context }) => !context.hasRepository || context.deployed.length > 0,
    maySayStartedAgain: ({ context }) =>
      context.wanted.length === 0 &&
      context.deploying === null &&
      (context.told === 'Initialized' || context.told === 'Starting'),
    isNews: ({ context }, { found }: { found: Deployment }) => steps.isNews(context, found),
    isAllowed: ({ context: { allowed } }, { found }: { found: Deployment }) =>
      allowed?.tenantId === found.tenantId && allowed.commit === found.commit && !found.rejected,
    isOrderFor: ({ event }, { gate }: { gate: Gate }) => isOrder(event) && event.gate === gate,
    /** A gate of an update that was refused: nobody stands before it any more. */
    isOrderForHeld: ({ context, event }) => isOrder(event) && orders.isHeldBy(context, event.gate),
    isWanted: ({ context }) => mayDeploy(context) && steps.nextOf(context) !== undefined,
    isAnyoneResting: ({ context }) => context.rested.length > 0,
    isRemovalDue: ({ context }) => context.removals.length > 0,
    isAtWorkOn: ({ context, event }) => event.type === 'SignUpRemoved' && steps.isAtWorkOn(context, event.tenantId),
    /** There is a commit that worked before. A return that is refused in its turn leads nowhere. */
    mayReturn: ({ context: { unsettled } }) =>
      unsettled?.isPlaced === true &&
      unsettled.returned === null &&
      unsettled.found.isRelease &&
      unsettled.found.oldCommit !== null,
    needsNoProof: ({ context: { unsettled } }) =>
      unsettled === null ||
      !unsettled.found.isRelease ||
      unsettled.found.oldCommit === null ||
      unsettled.returned !== null,
    needsNoWord: ({ context: { unsettled } }) => unsettled === null || !unsettled.found.isRelease,
    wasRefused: ({ context }) => mayDeploy(context) && (context.unsettled?.refused ?? null) !== null,
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
    isAllOut: ({ event }) => event.type === 'StatusOut' && event.left === 0,
    isUntold: ({ context }) => context.told === null,
    isDegraded: (_, { outcome }: { outcome: GateOutcome }) =>
      outcome.kind === 'passed' && outcome.degraded !== undefined,
    isPassed: (_, { outcome }: { outcome: GateOutcome }) => outcome.kind === 'passed',
    startedAnything: ({ context }) => context.startedAnything,
    isComingUp: ({ context }) => !context.activated && !context.leaving,
  },
});

/** Between the fetch and the end of the hook there is always one. */
export function foundIn({ unsettled }: LifecycleContext): Deployment {
  if (unsettled === null) throw new Error('nothing was fetched');
  return unsettled.found;
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
function mayDeploy({ activated, leaving, departed, passedGates }: LifecycleContext): boolean {
  return !leaving && !departed && (activated || passedGates.includes('startServers'));
}

function isOrder(event: LifecycleEvent): event is Extract<LifecycleEvent, { type: 'GateRetried' | 'GateSkipped' }> {
  return event.type === 'GateRetried' || event.type === 'GateSkipped';
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
