import { withoutNote } from './condition.ts';
import type { Gate, LifecycleContext } from './context.ts';
import { noteOf } from './deployment-notes.ts';
import { withoutKey, withTenant } from './tenant-lists.ts';

// What an operator wants of an update that a gate holds up. Pure, as deployment-steps.ts.

type Step = Partial<LifecycleContext>;

/** An operator has it asked again: of each tenant that it holds up. */
export function retryGate(context: LifecycleContext, gate: Gate): Step {
  const tenants = heldBy(context, gate);
  return { wanted: tenants.reduce(withTenant, context.wanted), asked: tenants.reduce(withTenant, context.asked) };
}

/** An operator wants no more of it: what it would not allow is placed, what it has not taken note of is as it should be. */
export function skipGate(context: LifecycleContext, gate: Gate): Step {
  const tenants = heldBy(context, gate);
  const [tenantId] = tenants;
  if (tenantId === undefined) return {};
  const commit = context.unsuccessful[tenantId]?.commit ?? '';
  const step = {
    unsuccessful: tenants.reduce(withoutKey, context.unsuccessful),
    notes: tenants.reduce((notes, tenant) => withoutNote(notes, noteOf(tenant)), withoutNote(context.notes, gate)),
  };
  if (gate === 'artifactUpdated') return { ...step, deployed: tenants.reduce(withTenant, context.deployed) };
  return { ...step, allowed: { tenantId, commit }, ...retryGate(context, gate) };
}

export function isHeldBy(context: LifecycleContext, gate: Gate): boolean {
  return heldBy(context, gate).length > 0;
}

function heldBy({ unsuccessful }: LifecycleContext, gate: Gate): string[] {
  return Object.keys(unsuccessful).filter((tenantId) => unsuccessful[tenantId]?.gate === gate);
}
