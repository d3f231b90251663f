import type { LifecycleEvent } from './context.ts';
import { drainBudgetMs } from './leaving.ts';
import { vocabulary } from './vocabulary.ts';

/**
 * The region of a cleanup that has little time, because whoever runs us will soon kill what is left: it ends the leaving
 * early, wherever that is by then. @see design.md, `shutdown.on.sigterm`
 */
export const hurry = vocabulary.createStateConfig({
  initial: 'calm',
  states: {
    calm: { on: { CleanupRequested: { guard: 'isHurried', target: 'hurried', actions: 'hurry' } } },
    hurried: {
      invoke: [
        {
          id: 'hurryBudget',
          src: 'pause',
          input: ({ event }) => ({ ms: budgetIn(event) }),
          onDone: { target: 'over', actions: 'raiseHurryOver' },
        },
        {
          id: 'hurriedDrain',
          src: 'pause',
          input: ({ event }) => ({ ms: drainBudgetMs(budgetIn(event)) }),
          onDone: { actions: 'raiseDrainOver' },
        },
      ],
    },
    over: {},
  },
});

function budgetIn(event: LifecycleEvent): number | null {
  return event.type === 'CleanupRequested' ? event.budgetMs : null;
}
