import { artifacts } from './artifacts.ts';
import { health } from './health.ts';
import { life } from './life.ts';
import { vocabulary } from './vocabulary.ts';

/**
 * The life of one instance, from joining its cluster to leaving it, and beside it what goes on at the same time:
 * artifacts arriving and statistics leaving. Pure; the agent provides what touches the world.
 *
 * @see design.md, "The lifecycle machine"
 */
export const lifecycle = vocabulary.createMachine({
  id: 'lifecycle',
  context: ({ input }) => ({
    ...input,
    told: null,
    startedAnything: false,
    activated: false,
    leaving: false,
    gaveUp: false,
    mayDeploy: false,
    wanted: [],
    deploying: null,
    deployed: [],
    failedDeployments: {},
    failedPortWaits: 0,
    notes: {},
  }),
  type: 'parallel',
  on: {
    MemberTold: { actions: 'hear' },
    GateHeld: {
      actions: {
        type: 'note',
        params: ({ event }) => ({ about: event.gate, condition: 'waiting', text: `${event.gate}: ${event.reason}` }),
      },
    },
  },
  output: ({ context }) => ({ gaveUp: context.gaveUp }),
  states: { life, artifacts, health },
});
