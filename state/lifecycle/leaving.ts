import { gateInput, vocabulary } from './vocabulary.ts';

/** Maintenance is given this long to leave before draining begins. @see design.md, "The lifecycle machine" */
const maintenanceOutMs = 2_000;

/**
 * How much of a budget draining may take, at most: whoever waits for connections that never end must not keep `clean` from
 * stopping the services.
 */
export function drainBudgetMs<Budget extends number | null>(budgetMs: Budget): Budget {
  return (budgetMs === null ? null : Math.round(0.75 * budgetMs)) as Budget;
}

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
  invoke: [
    {
      id: 'terminationBudget',
      src: 'pause',
      input: ({ context }) => ({ ms: context.terminationBudgetMs }),
      onDone: '#obsolete',
    },
    {
      id: 'drainBudget',
      src: 'pause',
      input: ({ context }) => ({ ms: drainBudgetMs(context.terminationBudgetMs) }),
      onDone: { actions: 'raiseDrainOver' },
    },
  ],
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
      on: { 'raised.DrainOver': [{ guard: 'startedAnything', target: 'cleaning' }, { target: '#obsolete' }] },
    },
    draining: {
      ...leavingGate('drain', '#pendingTermination.cleaning'),
      on: { 'raised.DrainOver': { target: 'cleaning', actions: endOf('drain') } },
    },
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
  const through = { target, actions: endOf(gate) };
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
          input: ({ context }) => ({
            ...gateInput(gate, context),
            budgetMs: gate === 'drain' ? drainBudgetMs(context.terminationBudgetMs) : context.terminationBudgetMs,
          }),
          onDone: through,
          onError: through,
        },
      },
    },
  });
}

function endOf(gate: 'drain' | 'clean') {
  return [
    { type: 'clearNote', params: { about: gate } },
    { type: 'endGate', params: { gate } },
  ] as const;
}
