import { gateInput, vocabulary } from './vocabulary.ts';

/** Maintenance is given this long to leave before draining begins. @see design.md, "The lifecycle machine" */
const maintenanceOutMs = 2_000;

/** What a cleanup begins with, whatever it interrupts. */
export const leave = [
  { type: 'decide', params: { event: 'InstanceMaintenanceModeEvent' } },
  { type: 'remember', params: { leaving: true, notes: {} } },
  'raiseDecided',
] as const;

/** PendingTermination: going down. One budget over everything in it; what hangs is left behind when it is spent. */
export const pendingTermination = vocabulary.createStateConfig({
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
export const obsolete = vocabulary.createStateConfig({
  id: 'obsolete',
  on: { CleanupRequested: {} },
  initial: 'flushing',
  states: {
    flushing: { invoke: { id: 'flushOutbox', src: 'flushOutbox', onDone: 'ended' } },
    ended: { tags: 'ended' },
  },
});

/** Leaving must always be possible: what `drain` and `clean` come to is recorded and passed over. */
function leavingGate(gate: 'drain' | 'clean', target: string) {
  const actions = [
    { type: 'clearNote', params: { about: gate } } as const,
    { type: 'endGate', params: { gate } } as const,
  ];
  const through = { target, actions };
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
