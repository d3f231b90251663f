import { deploying } from './deploying.ts';
import { foundIn, vocabulary } from './vocabulary.ts';

/**
 * The region that puts artifacts in place, one tenant after the other, once the start hooks are through.
 * A tenant whose repository cannot be had, or whose update is refused, holds up no other.
 */
export const artifacts = vocabulary.createStateConfig({
  id: 'artifacts',
  initial: 'idle',
  on: {
    ArtifactUpdated: { actions: 'ask' },
    RepositoryTold: { actions: 'lookAt' },
    GateRetried: { guard: 'isOrderForHeld', actions: 'retryGate' },
    GateSkipped: { guard: 'isOrderForHeld', actions: ['skipGate', 'raiseArtifactsSettled'] },
    SignUpRemoved: [{ guard: 'isAtWorkOn', target: '.idle', actions: 'forget' }, { actions: 'forget' }],
    'raised.Leaving': '.stopped',
  },
  states: {
    idle: {
      always: [
        { guard: 'isRemovalDue', target: 'removing' },
        // An earlier run was interrupted here: on with it, before anything new.
        { guard: 'wasRefused', target: 'returning' },
        { guard: 'wasPlaced', target: 'deploying.updated' },
        { guard: 'wasAllowed', target: 'deploying.placing' },
        { guard: 'wasFound', target: 'deploying.updating' },
        { guard: 'isWanted', target: 'deploying' },
      ],
    },
    deploying,
    /** Before activation there is something to wait for; after it, a person may look at why. */
    refused: {
      always: [
        { guard: 'mayReturn', target: 'returning', actions: 'beginReturn' },
        { target: 'idle', actions: ['hold', 'rest'] },
      ],
    },
    returning: {
      invoke: {
        id: 'returnArtifact',
        src: 'returnArtifact',
        input: ({ context }) => ({ found: foundIn(context), reason: context.unsettled?.refused ?? '' }),
        onDone: {
          target: 'deploying.updated',
          actions: { type: 'takeBack', params: ({ event }) => ({ found: event.output }) },
        },
        onError: { target: 'idle', actions: ['hold', 'rest'] },
      },
    },
    removing: {
      invoke: {
        id: 'removeArtifact',
        src: 'removeArtifact',
        input: ({ context }) => ({ tenantId: context.removals[0] ?? '' }),
        onDone: { target: 'idle', actions: { type: 'endRemoval', params: { error: null } } },
        onError: {
          target: 'idle',
          actions: { type: 'endRemoval', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    stopped: { on: { ArtifactUpdated: {}, RepositoryTold: {}, SignUpRemoved: {}, GateRetried: {}, GateSkipped: {} } },
  },
});

/** Events come in storms: what an event has had looked at is not looked at again for so long, twice that at most. */
const restMs = 1_500;

/** The region that has tenants rest, whatever is done for others meanwhile. */
export const rests = vocabulary.createStateConfig({
  initial: 'over',
  on: { 'raised.Leaving': '.ended' },
  states: {
    over: { always: { guard: 'isAnyoneResting', target: 'resting' } },
    resting: {
      invoke: {
        id: 'artifactRest',
        src: 'pause',
        input: { ms: restMs },
        onDone: { target: 'over', actions: 'endRest' },
      },
    },
    ended: {},
  },
});

/** The region that has every repository looked at regularly, once its artifact is in place. */
export const looks = vocabulary.createStateConfig({
  initial: 'looking',
  on: { 'raised.Leaving': '.ended' },
  states: {
    looking: {
      invoke: {
        id: 'artifactInterval',
        src: 'pause',
        input: ({ context }) => ({ ms: context.artifactIntervalMs }),
        onDone: { target: 'looking', reenter: true, actions: 'lookAtAll' },
      },
    },
    ended: {},
  },
});

/** The region that has failed deployments tried again. */
export const retries = vocabulary.createStateConfig({
  initial: 'calm',
  on: { 'raised.Leaving': '.calm' },
  states: {
    calm: { on: { 'raised.DeploymentFailed': 'waiting' } },
    waiting: {
      on: { 'raised.DeploymentFailed': { target: 'waiting', reenter: true } },
      invoke: {
        id: 'artifactPause',
        src: 'pause',
        input: ({ context }) => ({ ms: context.retryPauseMs }),
        onDone: { target: 'calm', actions: 'lookAtFailed' },
      },
    },
  },
});
