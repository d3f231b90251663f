import { z } from 'zod';
import { type Facts, noFacts } from '../../state/lifecycle/facts.ts';
import type { Line } from './line.ts';

/** The end of a gate's actor, as version 0.1.0 wrote it. */
const GateEnd = z.object({
  type: z.templateLiteral(['xstate.done.actor.', z.string()]),
  output: z.object({ kind: z.literal('passed') }),
});

/** Gates that are passed once in a life; those of artifacts are passed again and again. */
const onceInALife = [
  'lvsInterface',
  'volumeMount',
  'instanceStarting',
  'startServers',
  'instanceActivating',
  'drain',
  'clean',
];

/**
 * Lines of version 0.1.0 have no facts, but what they say of decisions and hooks is enough not to run a finished hook
 * again after the upgrade.
 *
 * @returns null as long as nothing is known
 */
export function factsOfOlderLine(before: Facts | null, { decided, input, state }: Line): Facts | null {
  const facts = before ?? noFacts;
  const gate = GateEnd.safeParse(input).data?.type.slice('xstate.done.actor.'.length);
  const passed = gate !== undefined && onceInALife.includes(gate) ? [gate] : [];
  const hasBegun = passed.length > 0 || decided.length > 0 || (state !== null && state !== 'created');
  if (before === null && !hasBegun) return null;
  return {
    ...facts,
    started: facts.started || decided.includes('InstanceStartedEvent'),
    activated: facts.activated || decided.includes('InstanceActivatedEvent'),
    leaving: facts.leaving || decided.includes('InstanceMaintenanceModeEvent'),
    departed: facts.departed || decided.includes('InstanceReadyToShutdownEvent'),
    startedAnything: facts.startedAnything || hasBegun,
    passedGates: [...new Set([...facts.passedGates, ...passed])],
  };
}
