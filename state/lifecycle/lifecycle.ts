import { acceptance } from './acceptance.ts';
import { artifacts, looks, rests, retries } from './artifacts.ts';
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
    // Those that were refused are asked again: it may be why the agent was restarted.
    asked: [...new Set([...facts.asked, ...Object.keys(facts.unsuccessful)])],
    wanted: [...new Set([...facts.asked, ...Object.keys(facts.unsuccessful)])],
    rested: [],
    restedNext: [],
    deploying: null,
    trigger: 'event',
    refusal: null,
    failedDeployments: {},
    retryPauseMs: 0,
    vainLooks: {},
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
  states: { life, artifacts, rests, looks, retries, health, acceptance, hurry },
});
