import { reasonOf } from '../errors.ts';
import type { Gate, GateOutcome } from './context.ts';
import { gateInput, vocabulary } from './vocabulary.ts';

/**
 * The states of one gate: its hooks run; when they let us pass, on to `next`; when not, we wait for the cause to change,
 * which we learn from the next ArtifactUpdated. @see plugins.md, "Outcomes of a gate"
 *
 * @param next - the target once passed, with what is done on the way
 */
export function gateStates(gate: Gate, next: Next) {
  return vocabulary.createStateConfig({
    initial: 'asking',
    states: {
      asking: asking(gate, next),
      running: running(gate, next, 'blocked'),
      blocked: {
        on: {
          ArtifactUpdated: 'running',
          GateRetried: { guard: { type: 'isOrderFor', params: { gate } }, target: 'running' },
          ...skipping(gate, next),
        },
      },
    },
  });
}

/** The same for a gate of an update, of which there will be more: refused is `#artifacts.refused`, and life goes on. */
export function updateGateStates(gate: 'artifactUpdating' | 'artifactUpdated', next: Next) {
  return vocabulary.createStateConfig({
    initial: 'asking',
    states: { asking: asking(gate, next), running: running(gate, next, '#artifacts.refused') },
  });
}

type Next = { readonly target: string; readonly actions?: readonly GateAction[] };

/** What may be done on the way through a gate. */
type GateAction =
  | { readonly type: 'decide'; readonly params: { readonly event: 'InstanceStartedEvent' | 'InstanceActivatedEvent' } }
  | { readonly type: 'remember'; readonly params: { readonly started?: true; readonly activated?: true } }
  | 'allow'
  | 'raiseDecided'
  | 'raiseActivated';

function asking(gate: Gate, next: Next) {
  return vocabulary.createStateConfig({
    always: [
      { guard: { type: 'wasPassed', params: { gate } }, target: next.target, actions: through(gate, next) },
      { target: 'running' },
    ],
  });
}

function running(gate: Gate, next: Next, refused: string) {
  return vocabulary.createStateConfig({
    entry: { type: 'beginGate', params: { gate } },
    on: skipping(gate, next),
    invoke: {
      id: gate,
      src: 'runGate',
      input: ({ context }) => gateInput(gate, context),
      onDone: [
        {
          guard: { type: 'isDegraded', params: ({ event }) => ({ outcome: event.output }) },
          target: next.target,
          actions: [
            { type: 'note', params: ({ event }) => noteOf(gate, event.output) },
            { type: 'doubt', params: { gate } },
            ...through(gate, next),
          ],
        },
        {
          guard: { type: 'isPassed', params: ({ event }) => ({ outcome: event.output }) },
          target: next.target,
          actions: [{ type: 'clearNote', params: { about: gate } }, ...through(gate, next)],
        },
        {
          target: refused,
          actions: [
            { type: 'note', params: ({ event }) => noteOf(gate, event.output) },
            { type: 'refuse', params: ({ event }) => ({ gate, outcome: event.output }) },
          ],
        },
      ],
      onError: {
        target: refused,
        actions: [
          { type: 'note', params: ({ event }) => noteOf(gate, failedWith(event.error)) },
          { type: 'refuse', params: ({ event }) => ({ gate, outcome: failedWith(event.error) }) },
        ],
      },
    },
  });
}

/** On the word of an operator. */
function skipping(gate: Gate, next: Next) {
  const actions = [{ type: 'clearNote', params: { about: gate } } as const, ...through(gate, next)];
  return {
    GateSkipped: { guard: { type: 'isOrderFor', params: { gate } } as const, target: next.target, actions },
  };
}

function through(gate: Gate, { actions = [] }: Next) {
  return [{ type: 'endGate', params: { gate } } as const, ...actions];
}

function failedWith(error: unknown): GateOutcome {
  return { kind: 'blocked', reason: reasonOf(error) };
}

function noteOf(gate: Gate, outcome: GateOutcome) {
  return outcome.kind === 'blocked'
    ? { about: gate, condition: 'blocked' as const, text: `${gate}: ${outcome.reason}` }
    : { about: gate, condition: 'degraded' as const, text: `${gate}: ${outcome.degraded ?? ''}` };
}
