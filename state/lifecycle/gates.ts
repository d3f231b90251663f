import { reasonOf } from '../errors.ts';
import { type Gate, type GateOutcome, gateInput, vocabulary } from './vocabulary.ts';

/**
 * The states of one gate: its hooks run; when they let us pass, on to `next`; when not, we wait for the cause to change,
 * which we learn from the next ArtifactUpdated. @see plugins.md, "Outcomes of a gate"
 *
 * @param next - the target once passed, with what is done on the way
 * @param onceBlocked - where the next ArtifactUpdated leads from there
 */
export function gateStates(
  gate: Gate,
  next: { readonly target: string; readonly actions?: readonly GateAction[] },
  onceBlocked: { readonly target: string; readonly actions?: 'lookAgain' } = { target: 'running' },
) {
  const actions = [{ type: 'endGate', params: { gate } } as const, ...(next.actions ?? [])];
  return vocabulary.createStateConfig({
    initial: 'asking',
    states: {
      asking: {
        always: [
          { guard: { type: 'wasPassed', params: { gate } }, target: next.target, actions },
          { target: 'running' },
        ],
      },
      running: {
        entry: { type: 'beginGate', params: { gate } },
        invoke: {
          id: gate,
          src: 'runGate',
          input: ({ context }) => gateInput(gate, context),
          onDone: [
            {
              guard: { type: 'isDegraded', params: ({ event }) => ({ outcome: event.output }) },
              target: next.target,
              actions: [{ type: 'note', params: ({ event }) => noteOf(gate, event.output) }, ...actions],
            },
            {
              guard: { type: 'isPassed', params: ({ event }) => ({ outcome: event.output }) },
              target: next.target,
              actions: [{ type: 'clearNote', params: { about: gate } }, ...actions],
            },
            { target: 'blocked', actions: { type: 'note', params: ({ event }) => noteOf(gate, event.output) } },
          ],
          onError: {
            target: 'blocked',
            actions: {
              type: 'note',
              params: ({ event }) => noteOf(gate, { kind: 'blocked', reason: reasonOf(event.error) }),
            },
          },
        },
      },
      blocked: { on: { ArtifactUpdated: onceBlocked } },
    },
  });
}

/** What may be done on the way through a gate. */
type GateAction =
  | { readonly type: 'decide'; readonly params: { readonly event: 'InstanceStartedEvent' | 'InstanceActivatedEvent' } }
  | { readonly type: 'remember'; readonly params: { readonly started?: true; readonly activated?: true } }
  | 'allow'
  | 'raiseDecided'
  | 'raiseActivated';

function noteOf(gate: Gate, outcome: GateOutcome) {
  return outcome.kind === 'blocked'
    ? { about: gate, condition: 'blocked' as const, text: `${gate}: ${outcome.reason}` }
    : { about: gate, condition: 'degraded' as const, text: `${gate}: ${outcome.degraded ?? ''}` };
}
