import { AgentError, reasonOf } from '../errors.ts';
import { withNote, withoutNote } from './condition.ts';
import type { Gate, GateOutcome, LifecycleContext } from './context.ts';
import { calmNotes, failureNoteOf, noteOf, notesAfter } from './deployment-notes.ts';
import type { Deployment } from './facts.ts';
import { withoutKey, withoutTenant, withTenant } from './tenant-lists.ts';

// What is remembered at each step of a deployment. Pure: what was known before, to what is known after.

type Step = Partial<LifecycleContext>;

const retryLimitMs = 60_000;

/** An event has named the repository of a tenant. */
export function ask(context: LifecycleContext, tenantId: string, publicUrl: string | null): Step {
  const askedAt = withoutKey(context.askedAt, tenantId);
  return {
    askedAt: publicUrl === null ? askedAt : { ...askedAt, [tenantId]: publicUrl },
    wanted: withTenant(context.wanted, tenantId),
    asked: withTenant(context.asked, tenantId),
    left: withoutTenant(context.left, tenantId),
  };
}

/** The platform says where a repository is: what could not be looked at without knowing that, now can. */
export function lookAt(context: LifecycleContext, tenantId: string): Step {
  const isOurs = context.asked.includes(tenantId) || context.deployed.includes(tenantId);
  return isOurs && !context.left.includes(tenantId) ? { wanted: withTenant(context.wanted, tenantId) } : {};
}

export function lookAtAll(context: LifecycleContext): Step {
  const known = new Set([...context.deployed, ...Object.keys(context.unsuccessful)]);
  return {
    wanted: [...known].filter((tenantId) => !context.left.includes(tenantId)).reduce(withTenant, context.wanted),
  };
}

export function lookAtFailed(context: LifecycleContext): Step {
  return { wanted: Object.keys(context.failedDeployments).reduce(withTenant, context.wanted) };
}

/** The first one that has not just been looked at. */
export function takeNext(context: LifecycleContext): Step {
  const deploying = nextOf(context) ?? null;
  const trigger = deploying !== null && context.asked.includes(deploying) ? 'event' : 'interval';
  return { wanted: withoutTenant(context.wanted, deploying), deploying, trigger };
}

export function nextOf({ wanted, rested, restedNext }: LifecycleContext): string | undefined {
  return wanted.find((tenantId) => !rested.includes(tenantId) && !restedNext.includes(tenantId));
}

/** The end of a deployment. Of the events that come now, most were sent with the one that it was for. */
export function rest(context: LifecycleContext): Step {
  const { rested, restedNext, trigger } = context;
  const done = { deploying: null, unsettled: null, refusal: null };
  if (trigger !== 'event') return done;
  const tenantId = tenantOf(context);
  // A moment that has begun is not drawn out by others: they get the next one.
  return rested.length === 0
    ? { ...done, rested: [tenantId] }
    : { ...done, restedNext: withTenant(restedNext, tenantId) };
}

export function endRest({ restedNext }: LifecycleContext): Step {
  return { rested: restedNext, restedNext: [] };
}

/** There is something to place. All hooks are asked about what is new. */
export function find(context: LifecycleContext, { found, isAllowed }: { found: Deployment; isAllowed: boolean }): Step {
  const { tenantId } = found;
  const unsettled = { found, isAllowed, isPlaced: false, refused: null, returned: null };
  const looks = context.trigger === 'event' ? 0 : looksAt(context, tenantId);
  const vainLooks = tenantId in context.unsuccessful ? { ...context.vainLooks, [tenantId]: looks } : context.vainLooks;
  if (isAllowed) return { unsettled, vainLooks };
  return { unsettled, vainLooks, passedHooks: context.passedHooks.filter((hook) => !hook.startsWith('artifact')) };
}

export function allow({ unsettled }: LifecycleContext): Step {
  if (unsettled === null) return {};
  const { tenantId, commit } = unsettled.found;
  return { unsettled: { ...unsettled, isAllowed: true }, allowed: { tenantId, commit } };
}

export function markPlaced({ unsettled }: LifecycleContext): Step {
  return unsettled === null ? {} : { unsettled: { ...unsettled, isPlaced: true }, allowed: null };
}

/** A script that may not hold us back has failed. */
export function doubt(context: LifecycleContext, gate: Gate): Step {
  const found = context.unsettled?.found;
  if (gate !== 'artifactUpdated' || found === undefined) return {};
  const unsuccessful = {
    ...context.unsuccessful,
    [found.tenantId]: { commit: found.commit, isVeto: false, gate, reason: '' },
  };
  return { unsuccessful, refusal: { reason: '', isVeto: false } };
}

export function refuse(gate: Gate, outcome: GateOutcome): Step {
  if (outcome.kind !== 'blocked') return {};
  return { refusal: { reason: `${gate}: ${outcome.reason}`, isVeto: outcome.by === 'veto' } };
}

/** The update stays where it was refused, until its event comes again or there is another commit. */
export function hold(context: LifecycleContext): Step {
  const { refusal, unsettled, unsuccessful } = context;
  const tenantId = tenantOf(context);
  const gate = unsettled?.isPlaced ? ('artifactUpdated' as const) : ('artifactUpdating' as const);
  const reason = refusal?.reason ?? unsettled?.refused ?? '';
  const held = { commit: unsettled?.found.commit ?? '', isVeto: refusal?.isVeto ?? false, gate, reason };
  const notes = withoutNote(withoutNote(calmNotes(context, tenantId), 'artifactUpdated'), 'artifactUpdating');
  return {
    unsuccessful: { ...unsuccessful, [tenantId]: held },
    notes: withNote(notes, { about: noteOf(tenantId), condition: 'blocked', text: reason }),
    ...answered(context, tenantId),
  };
}

/** Once a return has begun, a kill must not have the hooks asked again about a commit that is perhaps not in place. */
export function beginReturn({ unsettled, refusal }: LifecycleContext): Step {
  return unsettled === null ? {} : { unsettled: { ...unsettled, refused: refusal?.reason ?? '' } };
}

/** Back at an earlier commit, whose files are in place: those who serve them are to be told. */
export function takeBack(context: LifecycleContext, found: Deployment): Step {
  const reason = `commit ${context.unsettled?.found.commit.slice(0, 7) ?? ''} was taken back: ${context.unsettled?.refused ?? ''}`;
  return {
    unsettled: { found, isAllowed: true, isPlaced: true, refused: null, returned: reason },
    refusal: null,
    // Every hook is told of it, from the first attempt on.
    attempts: withoutKey(context.attempts, 'artifactUpdated'),
    passedHooks: context.passedHooks.filter((hook) => !hook.startsWith('artifact')),
  };
}

/** Nothing to do: it is as it should be, or as good as it gets. */
export function settleUnchanged(context: LifecycleContext, found: Deployment): Step {
  const { tenantId } = found;
  const held = context.unsuccessful[tenantId];
  const step = answered(context, tenantId);
  if (held === undefined) {
    return { ...step, deployed: withTenant(context.deployed, tenantId), notes: notesAfter(context, found) };
  }
  // After a restart nobody else would tell.
  const notes =
    held.reason === ''
      ? calmNotes(context, tenantId)
      : withNote(calmNotes(context, tenantId), { about: noteOf(tenantId), condition: 'blocked', text: held.reason });
  return { ...step, notes, vainLooks: { ...context.vainLooks, [tenantId]: looksAt(context, tenantId) } };
}

/** In place, and everybody told. */
export function settle(context: LifecycleContext): Step {
  const tenantId = tenantOf(context);
  const { refusal, unsettled } = context;
  const warning = unsettled?.returned ?? unsettled?.found.warning ?? null;
  // A script that failed, and was passed over, has left its word.
  const unsuccessful = refusal === null ? withoutKey(context.unsuccessful, tenantId) : context.unsuccessful;
  return {
    ...answered(context, tenantId),
    deployed: withTenant(context.deployed, tenantId),
    unsuccessful,
    vainLooks: refusal === null ? withoutKey(context.vainLooks, tenantId) : context.vainLooks,
    notes: notesAfter(context, { tenantId, warning }),
  };
}

export function fail(context: LifecycleContext, error: unknown): Step {
  const tenantId = tenantOf(context);
  const failures = (context.failedDeployments[tenantId] ?? 0) + 1;
  const serving = context.activated || context.deployed.length > 0;
  const mayPass = failures <= context.cloneRetries && !(error instanceof AgentError && error.lasting);
  const condition = serving ? 'degraded' : mayPass ? 'waiting' : 'blocked';
  const failedDeployments = { ...context.failedDeployments, [tenantId]: failures };
  const fewest = Math.min(...Object.values(failedDeployments));
  return {
    failedDeployments,
    retryPauseMs: backOffMs(Math.max(1, fewest - context.cloneRetries + 1), context.cloneRetryIntervalMs),
    notes: withNote(context.notes, { about: failureNoteOf(tenantId), condition, text: reasonOf(error) }),
  };
}

/** A tenant has left: nothing more is done for it, and in a multi-tenant service its content goes. */
export function forget(context: LifecycleContext, tenantId: string): Step {
  const isAtWork = isAtWorkOn(context, tenantId);
  if (!context.multiTenant) return { left: withTenant(context.left, tenantId), ...unasked(context, tenantId) };
  return {
    ...unasked(context, tenantId),
    ...(isAtWork ? { deploying: null, unsettled: null, refusal: null } : {}),
    removals: withTenant(context.removals, tenantId),
    deployed: withoutTenant(context.deployed, tenantId),
    unsuccessful: withoutKey(context.unsuccessful, tenantId),
    notes: withoutNote(calmNotes(context, tenantId), noteOf(tenantId)),
  };
}

export function endRemoval(context: LifecycleContext, error: unknown): Step {
  const [tenantId = '', ...removals] = context.removals;
  const about = `removal of tenant ${tenantId}`;
  if (error === null) return { removals, notes: withoutNote(context.notes, about) };
  return { removals, notes: withNote(context.notes, { about, condition: 'degraded', text: reasonOf(error) }) };
}

/** The rule of design.md: an update that changed something is told, one that changed nothing only if it has to be again. */
export function isNews(context: LifecycleContext, { tenantId, commit, changed, rejected }: Deployment): boolean {
  if (rejected) return false;
  const held = context.unsuccessful[tenantId];
  if (held !== undefined) {
    const isDue = context.asked.includes(tenantId) || held.commit !== commit;
    return isDue || (!held.isVeto && isPowerOfTwo(looksAt(context, tenantId)));
  }
  const isInPlace = context.activated || context.deployed.includes(tenantId);
  return changed || tenantId in context.failedDeployments || !isInPlace;
}

export function isAtWorkOn(context: LifecycleContext, tenantId: string): boolean {
  return context.multiTenant && tenantOf(context) === tenantId;
}

/** `baseMs`, doubled per failure, up to a minute. */
export function backOffMs(failures: number, baseMs: number): number {
  return Math.min(retryLimitMs, baseMs * 2 ** Math.min(failures - 1, 16));
}

function tenantOf({ deploying, unsettled }: LifecycleContext): string {
  return deploying ?? unsettled?.found.tenantId ?? '';
}

/** Unless it was asked again meanwhile. */
function answered(context: LifecycleContext, tenantId: string): Step {
  const failedDeployments = withoutKey(context.failedDeployments, tenantId);
  if (context.wanted.includes(tenantId)) return { failedDeployments };
  return {
    failedDeployments,
    asked: withoutTenant(context.asked, tenantId),
    askedAt: withoutKey(context.askedAt, tenantId),
  };
}

function unasked(context: LifecycleContext, tenantId: string): Step {
  return {
    wanted: withoutTenant(context.wanted, tenantId),
    asked: withoutTenant(context.asked, tenantId),
    askedAt: withoutKey(context.askedAt, tenantId),
    failedDeployments: withoutKey(context.failedDeployments, tenantId),
  };
}

/** With the one that is being done now. */
function looksAt({ vainLooks }: LifecycleContext, tenantId: string): number {
  return (vainLooks[tenantId] ?? 0) + 1;
}

/** The first look, the second, the fourth, the eighth: a script that restarts a service must not do so for ever. */
function isPowerOfTwo(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}
