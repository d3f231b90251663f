import { reasonOf } from '../errors.ts';
import { backOffMs } from './deployment-steps.ts';
import { gateStates } from './gates.ts';
import { leave } from './leaving.ts';
import { vocabulary } from './vocabulary.ts';

/** Without an answer to Started for this long, it is said again while that is harmless. @see protocol.md section 4.5 */
const startedAgainMs = 90_000;
/** Before the platform has told anything after a restart, we look again this soon. */
const untoldMs = 5_000;
const portsRetryBaseMs = 5_000;
/** What a former run of this agent did, as far as the platform's word for the member tells. */
const startedBefore = { startedAnything: true, started: true };
const activatedBefore = { startedAnything: true, started: true, activated: true, activationNotified: true };

/** Created: connected, and the platform does not yet know us as initialized. */
export const created = vocabulary.createStateConfig({
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
export const initialized = vocabulary.createStateConfig({
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
export const started = vocabulary.createStateConfig({
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
