import { created, initialized, started } from './coming-up.ts';
import { leave, obsolete, pendingTermination } from './leaving.ts';
import { activatedNotice, vocabulary } from './vocabulary.ts';

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
        onDone: 'serving',
      },
    },
    serving: {
      entry: 'beginNotice',
      invoke: {
        id: activatedNotice,
        src: 'tellActivated',
        input: ({ context }) => ({
          isDue: !context.activationNotified,
          attempt: context.attempts[activatedNotice] ?? 1,
        }),
        onDone: { actions: 'endNotice' },
      },
    },
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
