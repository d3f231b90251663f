import { reasonOf } from '../errors.ts';
import { backOffMs } from './deployment-steps.ts';
import { gateStates } from './gates.ts';
import { gateInput, vocabulary } from './vocabulary.ts';

/** Without an answer to Started for this long, it is said again while that is harmless. @see protocol.md section 4.5 */
const startedAgainMs = 90_000;
/** Maintenance is given this long to leave before draining begins. @see design.md, "The lifecycle machine" */
const maintenanceOutMs = 2_000;
/** Before the platform has told anything after a restart, we look again this soon. */
const untoldMs = 5_000;
const portsRetryBaseMs = 5_000;
/** What a former run of this agent did, as far as the platform's word for the member tells. */
const startedBefore = { startedAnything: true, started: true };
const activatedBefore = { startedAnything: true, started: true, activated: true, activationNotified: true };

/** What a cleanup begins with, whatever it interrupts. */
const leave = [
  { type: 'decide', params: { event: 'InstanceMaintenanceModeEvent' } },
  { type: 'remember', params: { leaving: true, notes: {} } },
  'raiseDecided',
] as const;

/** Where an earlier run of the agent left this life; a fresh one begins at the beginning. Nobody is ever seen here. */
const recovering = vocabulary.createStateConfig({
  always: [
    { guard: 'hasDeparted', target: 'obsolete', actions: 'raiseLeaving' },
    { guard: 'wasLeavingActive', target: 'pendingTermination', actions: ['catchUp', 'raiseActivated'] },
    { guard: 'wasLeaving', target: 'pendingTermination', actions: 'catchUp' },
    { guard: 'wasNotified', target: '#active.serving', actions: ['catchUp', 'raiseActivated'] },
    { guard: 'wasActivated', target: 'active', actions: ['catchUp', 'raiseActivated'] },
    { guard: 'hasStarted', target: 'started', actions: 'catchUp' },
    { target: 'created' },
  ],
});

/** Created: connected, and the platform does not yet know us as initialized. */
const created = vocabulary.createStateConfig({
  id: 'created',
  initial: 'settlingIn',
  states: {
    settlingIn: { always: [{ guard: 'hasVirtualInterface', target: 'virtualInterface' }, { target: 'joining' }] },
    virtualInterface: gateStates('lvsInterface', { target: '#created.joining' }),
    // Which way leads on is what the platform knows of us; without a journal nothing else does.
    joining: {
      invoke: { id: 'requestTopology', src: 'requestTopology' },
      always: [
        { guard: 'isInitialized', target: '#initialized', actions: 'requestTenants' },
        {
          guard: 'isStarting',
          target: '#started',
          actions: ['requestTenants', { type: 'remember', params: startedBefore }],
        },
        {
          guard: 'isActive',
          target: '#active.serving',
          actions: ['requestTenants', { type: 'remember', params: activatedBefore }, 'raiseActivated'],
        },
        {
          guard: 'isLeaving',
          target: '#pendingTermination',
          actions: [{ type: 'remember', params: startedBefore }, ...leave],
        },
      ],
    },
  },
});

/** Initialized: the platform knows us; everything that must happen before it hears that we start. */
const initialized = vocabulary.createStateConfig({
  id: 'initialized',
  initial: 'preparing',
  states: {
    preparing: {
      always: [
        { guard: 'hasVolumes', target: 'volumes', actions: { type: 'remember', params: { startedAnything: true } } },
        { target: 'starting', actions: { type: 'remember', params: { startedAnything: true } } },
      ],
    },
    volumes: gateStates('volumeMount', { target: '#initialized.starting' }),
    starting: gateStates('instanceStarting', {
      target: '#started',
      actions: [
        { type: 'decide', params: { event: 'InstanceStartedEvent' } },
        { type: 'remember', params: { started: true } },
        'raiseDecided',
      ],
    }),
  },
});

/** Started: services come up, artifacts arrive, ports open. */
const started = vocabulary.createStateConfig({
  id: 'started',
  initial: 'announcing',
  states: {
    announcing: {
      invoke: {
        id: 'startedDelivery',
        src: 'delivery',
        input: { event: 'InstanceStartedEvent', atMostMs: null },
        onDone: 'startingServers',
      },
    },
    startingServers: gateStates('startServers', { target: '#started.waitingForArtifacts' }),
    waitingForArtifacts: {
      always: { guard: 'artifactsAreInPlace', target: 'waitingForPorts' },
      // It came: from here on it is not its absence that we wait for.
      on: {
        ArtifactUpdated: {
          target: 'waitingForArtifacts',
          reenter: true,
          actions: { type: 'remember', params: { startedAgoMs: null } },
        },
      },
      invoke: {
        id: 'artifactReminder',
        src: 'pause',
        input: ({ context }) => ({ ms: Math.max(0, startedAgainMs - (context.startedAgoMs ?? 0)) }),
        onDone: [
          {
            guard: 'maySayStartedAgain',
            target: 'waitingForArtifacts',
            reenter: true,
            actions: [
              { type: 'decide', params: { event: 'InstanceStartedEvent' } },
              { type: 'remember', params: { startedAgoMs: null } },
            ],
          },
          {
            guard: 'isUntold',
            target: 'waitingForArtifacts',
            reenter: true,
            actions: { type: 'remember', params: { startedAgoMs: startedAgainMs - untoldMs } },
          },
          {
            target: 'waitingForArtifacts',
            reenter: true,
            actions: { type: 'remember', params: { startedAgoMs: null } },
          },
        ],
      },
    },
    waitingForPorts: {
      invoke: {
        id: 'waitForPorts',
        src: 'waitForPorts',
        onDone: {
          target: 'activating',
          actions: [
            { type: 'clearNote', params: { about: 'ports' } },
            { type: 'remember', params: { failedPortWaits: 0 } },
          ],
        },
        onError: {
          target: 'portsClosed',
          actions: [
            {
              type: 'note',
              params: ({ event }) => ({ about: 'ports', condition: 'blocked', text: reasonOf(event.error) }),
            },
            { type: 'remember', params: ({ context }) => ({ failedPortWaits: context.failedPortWaits + 1 }) },
          ],
        },
      },
    },
    portsClosed: {
      invoke: {
        id: 'portsPause',
        src: 'pause',
        input: ({ context }) => ({ ms: backOffMs(context.failedPortWaits, portsRetryBaseMs) }),
        onDone: 'waitingForPorts',
      },
      on: { ArtifactUpdated: 'waitingForPorts', 'raised.ArtifactsSettled': 'waitingForPorts' },
    },
    activating: gateStates('instanceActivating', {
      target: '#active',
      actions: [
        { type: 'decide', params: { event: 'InstanceActivatedEvent' } },
        { type: 'remember', params: { activated: true } },
        'raiseDecided',
        'raiseActivated',
      ],
    }),
  },
});

/** Active: serving. Only a cleanup leads on; an earlier status of our own member never leads back. */
const active = vocabulary.createStateConfig({
  id: 'active',
  initial: 'announcing',
  // We have said that we leave, and lost that: a full disk, and then a kill.
  on: { MemberTold: { guard: 'isShownLeaving', target: '#pendingTermination', actions: leave } },
  states: {
    announcing: {
      invoke: {
        id: 'activatedDelivery',
        src: 'delivery',
        input: { event: 'InstanceActivatedEvent', atMostMs: null },
        onDone: {
          target: 'serving',
          actions: ['notifyActivated', { type: 'remember', params: { activationNotified: true } }],
        },
      },
    },
    serving: {},
  },
});

/** PendingTermination: going down. One budget over everything in it; what hangs is left behind when it is spent. */
const pendingTermination = vocabulary.createStateConfig({
  id: 'pendingTermination',
  entry: 'raiseLeaving',
  exit: [
    { type: 'decide', params: { event: 'InstanceReadyToShutdownEvent' } },
    { type: 'remember', params: { departed: true } },
    'raiseDeparted',
  ],
  invoke: {
    id: 'terminationBudget',
    src: 'pause',
    input: ({ context }) => ({ ms: context.terminationBudgetMs }),
    onDone: '#obsolete',
  },
  // Asked again while leaving: leaving already.
  on: { CleanupRequested: {}, 'raised.HurryOver': '#obsolete' },
  initial: 'announcing',
  states: {
    announcing: {
      invoke: {
        id: 'maintenanceDelivery',
        src: 'delivery',
        input: { event: 'InstanceMaintenanceModeEvent', atMostMs: maintenanceOutMs },
        onDone: [{ guard: 'startedAnything', target: 'draining' }, { target: '#obsolete' }],
      },
    },
    draining: leavingGate('drain', '#pendingTermination.cleaning'),
    cleaning: leavingGate('clean', '#obsolete'),
  },
});

/** Obsolete: final. What was decided is delivered however long that takes. */
const obsolete = vocabulary.createStateConfig({
  id: 'obsolete',
  on: { CleanupRequested: {} },
  initial: 'flushing',
  states: {
    flushing: { invoke: { id: 'flushOutbox', src: 'flushOutbox', onDone: 'ended' } },
    ended: { tags: 'ended' },
  },
});

/** The region that people mean when they say "the state of the instance". @see design.md, "The lifecycle machine" */
export const life = vocabulary.createStateConfig({
  id: 'life',
  initial: 'recovering',
  invoke: {
    id: 'activationDeadline',
    src: 'pause',
    input: ({ context }) => ({ ms: context.activationDeadlineMs }),
    onDone: {
      guard: 'isComingUp',
      target: '.obsolete',
      actions: [{ type: 'remember', params: { gaveUp: true, departed: true } }, 'raiseLeaving', 'raiseDeparted'],
    },
  },
  on: { CleanupRequested: { target: '.pendingTermination', actions: leave } },
  states: { recovering, created, initialized, started, active, pendingTermination, obsolete },
});

/** Leaving must always be possible: what `drain` and `clean` come to is recorded and passed over. */
function leavingGate(gate: 'drain' | 'clean', target: string) {
  const through = { target, actions: { type: 'endGate', params: { gate } } } as const;
  return vocabulary.createStateConfig({
    initial: 'asking',
    states: {
      asking: { always: [{ guard: { type: 'wasPassed', params: { gate } }, target }, { target: 'running' }] },
      running: {
        entry: { type: 'beginGate', params: { gate } },
        on: { GateSkipped: { guard: { type: 'isOrderFor', params: { gate } }, ...through } },
        invoke: {
          id: gate,
          src: 'runGate',
          input: ({ context }) => ({ ...gateInput(gate, context), budgetMs: context.terminationBudgetMs }),
          onDone: through,
          onError: through,
        },
      },
    },
  });
}
