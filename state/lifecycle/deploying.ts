import { updateGateStates } from './gates.ts';
import { foundIn, vocabulary } from './vocabulary.ts';

const settle = ['settle', 'raiseArtifactsSettled', 'rest'] as const;
const fail = [
  { type: 'failDeployment', params: ({ event }: { event: { error: unknown } }) => ({ error: event.error }) },
  'raiseDeploymentFailed',
  'rest',
] as const;

/** One deployment: look at the repository, ask about what is new, put it in place, tell of it, see whether it works. */
export const deploying = vocabulary.createStateConfig({
  initial: 'fetching',
  states: {
    fetching: {
      entry: 'takeNext',
      invoke: {
        id: 'fetchArtifact',
        src: 'fetchArtifact',
        input: ({ context }) => ({ tenantId: context.deploying ?? '', trigger: context.trigger }),
        onDone: [
          {
            // What was fetched is gone, or could not be placed; the hooks have said what they think of it.
            guard: { type: 'isAllowed', params: ({ event }) => ({ found: event.output }) },
            target: 'placing',
            actions: { type: 'find', params: ({ event }) => ({ found: event.output, isAllowed: true }) },
          },
          {
            guard: { type: 'isNews', params: ({ event }) => ({ found: event.output }) },
            target: 'updating',
            actions: { type: 'find', params: ({ event }) => ({ found: event.output, isAllowed: false }) },
          },
          {
            target: '#artifacts.idle',
            actions: [
              { type: 'settleUnchanged', params: ({ event }) => ({ found: event.output }) },
              'raiseArtifactsSettled',
              'rest',
            ],
          },
        ],
        onError: { target: '#artifacts.idle', actions: fail },
      },
    },
    updating: updateGateStates('artifactUpdating', { target: '#artifacts.deploying.placing', actions: ['allow'] }),
    placing: {
      invoke: {
        id: 'placeArtifact',
        src: 'placeArtifact',
        input: ({ context }) => ({ found: foundIn(context) }),
        onDone: { target: 'updated', actions: 'markPlaced' },
        onError: { target: '#artifacts.idle', actions: fail },
      },
    },
    updated: updateGateStates('artifactUpdated', { target: '#artifacts.deploying.proving' }),
    proving: {
      always: { guard: 'needsNoProof', target: 'accepting' },
      invoke: {
        id: 'proveArtifact',
        src: 'proveArtifact',
        onDone: 'accepting',
        onError: {
          target: '#artifacts.refused',
          actions: { type: 'refuseUnproven', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    accepting: {
      always: { guard: 'needsNoWord', target: '#artifacts.idle', actions: settle },
      invoke: {
        id: 'acceptArtifact',
        src: 'acceptArtifact',
        input: ({ context }) => ({ found: foundIn(context) }),
        onDone: { target: '#artifacts.idle', actions: settle },
        onError: { target: '#artifacts.idle', actions: settle },
      },
    },
  },
});
