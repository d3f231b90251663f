import { acceptance } from './acceptance.ts';
import { artifacts } from './artifacts.ts';
import { health } from './health.ts';
import { hurry } from './hurry.ts';
import { life } from './life.ts';
import { vocabulary } from './vocabulary.ts';

/**
 * The life of one instance, from joining its cluster to leaving it, and beside it what goes on at the same time:
 * artifacts arriving, statistics leaving, the platform agreeing. Pure; the agent provides what touches the world.
 *
 * @see design.md, "The lifecycle machine"
 */
export const lifecycle = vocabulary.createMachine({
  id: 'lifecycle',
  context: ({ input: { facts, ...input } }) => ({
    ...input,
    ...facts,
    told: null,
    wanted: [],
    deploying: null,
    failedDeployments: {},
    failedPortWaits: 0,
    notes: {},
  }),
  type: 'parallel',
  on: {
    MemberTold: { actions: 'hear' },
    Noticed: { actions: 'notice' },
    HookPassed: { actions: 'passHook' },
    GateHeld: {
      actions: {
        type: 'note',
        params: ({ event }) => ({ about: event.gate, condition: 'waiting', text: `${event.gate}: ${event.reason}` }),
      },
    },
  },
  states: { life, artifacts, health, acceptance, hurry },
});
