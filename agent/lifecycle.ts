import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type AnyEventObject, createActor, fromPromise, type SnapshotFrom, transition } from 'xstate';
import { reasonOf } from '../state/errors.ts';
import { type Condition, conditionOf, type Notes } from '../state/lifecycle/condition.ts';
import type {
  GateInput,
  GateOutcome,
  LifecycleEvent,
  LifecycleInput,
  StatusEvent,
  Trigger,
} from '../state/lifecycle/context.ts';
import { type Deployment, factsOf } from '../state/lifecycle/facts.ts';
import { lifecycle } from '../state/lifecycle/lifecycle.ts';
import type { Activity, Limits } from '../state/lifecycle/patience.ts';
import type { Journal } from './journal/journal.ts';
import type { Log } from './log.ts';
import { type StandingWait, watchPatience } from './patience.ts';

/** What the machine may do in the world, one function per actor and action of its vocabulary. */
export type World = {
  requestTopology(signal: AbortSignal): Promise<void>;
  requestTenants(): void;
  /** After a restart: asks for everything the platform knows. */
  catchUp(): void;
  runGate(input: GateInput, on: GateEvents, signal: AbortSignal): Promise<GateOutcome>;
  /** Resolves when the hooks have been told. A cleanup does not overtake them. */
  tellActivated(attempt: number): Promise<void>;
  /** Puts a status event into the outbox: from here on it will be delivered. */
  decide(event: StatusEvent): void;
  delivery(input: { event: StatusEvent; atMostMs: number | null }, signal: AbortSignal): Promise<void>;
  flushOutbox(signal: AbortSignal): Promise<void>;
  fetchArtifact(input: { tenantId: string; trigger: Trigger }, signal: AbortSignal): Promise<Deployment>;
  placeArtifact(found: Deployment, signal: AbortSignal): Promise<void>;
  proveArtifact(signal: AbortSignal): Promise<void>;
  acceptArtifact(found: Deployment, signal: AbortSignal): Promise<void>;
  returnArtifact(input: { found: Deployment; reason: string }, signal: AbortSignal): Promise<Deployment>;
  removeArtifact(tenantId: string, signal: AbortSignal): Promise<void>;
  waitForPorts(signal: AbortSignal): Promise<void>;
  publishStatistics(signal: AbortSignal): Promise<void>;
};

/** How a life ended. `gaveUp`: it was not active in time, as this run says, or an earlier one has; `lacked`: what it waited for. */
export type End = { readonly gaveUp: 'now' | 'earlier' | null; readonly lacked: string };

/** What happens at a gate before it ends. */
export type GateEvents = {
  /** A hook asks to be asked again, or takes its time: with its reason, or what it is doing. */
  held(reason: string): void;
  /** An executable is through, and another one is next: not before this has returned. */
  passed(executable: string): void;
};

/** A running machine. */
export type Lifecycle = {
  send(event: LifecycleEvent): void;
  /** The same for what a person wants: false, and nothing happens, if nothing would come of it. */
  order(event: LifecycleEvent): boolean;
  /** Settles when the instance is obsolete and everything is delivered; rejects on a defect. */
  readonly ended: Promise<End>;
  /** All that is waited for in this moment. */
  waits(): readonly StandingWait[];
  stop(): void;
};

/** Where the machine is once it has taken a step, and what people are told of it. */
export type Step = Condition & {
  readonly state: string;
  /** Where in that state: `waitingForPorts`; null if it has no parts. */
  readonly step: string | null;
  readonly notes: Notes;
};

type Snapshot = SnapshotFrom<typeof lifecycle>;

/** Starts the machine of `state/lifecycle` and lets it act. Each input is in the journal before anything comes of it. */
export function startLifecycle(
  input: LifecycleInput,
  options: { world: World; journal: Journal; limits: Limits; log: Log; onStep?: (step: Step) => void },
): Lifecycle {
  const { world, journal, limits, log, onStep = () => {} } = options;
  const send = (event: LifecycleEvent) => actor.send(event);
  const actor = createActor(lifecycle.provide(inWorld(world, send)), {
    input,
    // Every input passes here before the machine takes it: ours, and the ends of its own actors.
    inspect: (inspected) => {
      if (inspected.type === '@xstate.event' && inspected.actorRef === actor)
        record(actor.getSnapshot(), inspected.event, journal);
    },
  });
  const order = (event: LifecycleEvent) => {
    const before = actor.getSnapshot();
    const [after] = transition(lifecycle, before, event);
    const isSame =
      isDeepStrictEqual(before.value, after.value) &&
      isDeepStrictEqual(factsOf(before.context), factsOf(after.context));
    if (!isSame) send(event);
    return !isSame;
  };
  const { promise: ended, resolve, reject } = Promise.withResolvers<End>();
  const patience = watchPatience({ limits, log, onOverdue: () => take(actor.getSnapshot()) });
  const tell = createTeller(log);
  const take = (snapshot: Snapshot) => {
    const step = stepOf(snapshot, patience.overdue());
    tell(step);
    onStep(step);
  };
  actor.subscribe({
    next: (snapshot) => {
      patience.look(activityOf(snapshot));
      take(snapshot);
      if (snapshot.hasTag('ended')) resolve(endOf(snapshot, input));
    },
    error: reject,
  });
  actor.start();
  const stop = () => {
    patience.stop();
    actor.stop();
  };
  return { send, order, ended, waits: patience.waits, stop };
}

function endOf({ context }: Snapshot, { facts }: LifecycleInput): End {
  const gaveUp = context.gaveUp ? (facts.gaveUp ? 'earlier' : 'now') : null;
  return { gaveUp, lacked: conditionOf('started', context.notes).message };
}

/** The state people mean: that of the life region. */
export function lifeState(snapshot: Snapshot): string {
  const { life } = snapshot.value as { life: string | Record<string, unknown> };
  return typeof life === 'string' ? life : (Object.keys(life)[0] ?? '');
}

function stepOf(snapshot: Snapshot, overdue: Notes): Step {
  const { life } = snapshot.value as { life: string | Record<string, unknown> };
  const state = lifeState(snapshot);
  const inner = typeof life === 'string' ? undefined : life[state];
  const step = typeof inner === 'string' ? inner : (Object.keys(inner ?? {})[0] ?? null);
  const notes = { ...snapshot.context.notes, ...overdue };
  return { state, step, notes, ...conditionOf(state, notes) };
}

function activityOf(snapshot: Snapshot): Activity {
  const actors = Object.entries(snapshot.children).flatMap(([id, child]) => {
    if (child === undefined) return [];
    const { status, input } = child.getSnapshot();
    return status === 'active' ? [{ id, run: child.sessionId, input }] : [];
  });
  return { states: pathsIn(snapshot.value), actors };
}

function pathsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.entries(value as object).flatMap(([name, inner]) => pathsIn(inner).map((path) => `${name}.${path}`));
}

function inWorld(world: World, send: (event: LifecycleEvent) => void) {
  return {
    actors: {
      requestTopology: fromPromise<void>(({ signal }) => world.requestTopology(signal)),
      runGate: fromPromise<GateOutcome, GateInput>(({ input, signal }) =>
        world.runGate(input, gateEvents(input.gate, send), signal),
      ),
      delivery: fromPromise<void, { event: StatusEvent; atMostMs: number | null }>(({ input, signal }) =>
        world.delivery(input, signal),
      ),
      fetchArtifact: fromPromise<Deployment, { tenantId: string; trigger: Trigger }>(({ input, signal }) =>
        world.fetchArtifact(input, signal),
      ),
      placeArtifact: fromPromise<void, { found: Deployment }>(({ input, signal }) =>
        world.placeArtifact(input.found, signal),
      ),
      proveArtifact: fromPromise<void>(({ signal }) => world.proveArtifact(signal)),
      acceptArtifact: fromPromise<void, { found: Deployment }>(({ input, signal }) =>
        world.acceptArtifact(input.found, signal),
      ),
      returnArtifact: fromPromise<Deployment, { found: Deployment; reason: string }>(({ input, signal }) =>
        world.returnArtifact(input, signal),
      ),
      removeArtifact: fromPromise<void, { tenantId: string }>(({ input, signal }) =>
        world.removeArtifact(input.tenantId, signal),
      ),
      waitForPorts: fromPromise<void>(({ signal }) => world.waitForPorts(signal)),
      publishStatistics: fromPromise<void>(({ signal }) => world.publishStatistics(signal)),
      tellActivated: fromPromise<void, { isDue: boolean; attempt: number }>(({ input, signal }) =>
        input.isDue ? world.tellActivated(input.attempt) : pause(null, signal),
      ),
      flushOutbox: fromPromise<void>(({ signal }) => world.flushOutbox(signal)),
      pause: fromPromise<void, { ms: number | null }>(({ input, signal }) => pause(input.ms, signal)),
    },
    actions: {
      decide: (_: unknown, { event }: { event: StatusEvent }) => world.decide(event),
      requestTenants: () => world.requestTenants(),
      catchUp: () => world.catchUp(),
    },
  };
}

function gateEvents(gate: GateInput['gate'], send: (event: LifecycleEvent) => void): GateEvents {
  return {
    held: (reason) => send({ type: 'GateHeld', gate, reason }),
    passed: (executable) => send({ type: 'HookPassed', gate, executable }),
  };
}

/** Monotonic, as Node's timers are; longer than their 24 days is done in pieces, null is for ever. */
async function pause(ms: number | null, signal: AbortSignal): Promise<void> {
  const pieceMs = 2 ** 31 - 1;
  for (let leftMs = ms ?? Number.POSITIVE_INFINITY; leftMs > 0; leftMs -= pieceMs) {
    await sleep(Math.min(leftMs, pieceMs), undefined, { signal });
  }
}

/** Inputs that come again and again; most of them leave everything as it is, and then need not survive. */
const routine: ReadonlySet<string> = new Set([
  'ArtifactUpdated',
  'RepositoryTold',
  'xstate.done.actor.artifactRest',
  'xstate.done.actor.artifactInterval',
  'xstate.done.actor.fetchArtifact',
]);

function record(snapshot: Snapshot, event: AnyEventObject, journal: Journal): void {
  // For people only: nothing follows from it.
  if (event.type === 'GateHeld' || event.type === 'Noticed' || event.type === 'StatusOut') return;
  const isInit = event.type === 'xstate.init';
  const [next, actions] = isInit ? [snapshot, []] : transition(lifecycle, snapshot, event as LifecycleEvent);
  const decided = actions
    .filter(({ type }) => type === 'decide')
    .map(({ params }) => (params as { event: StatusEvent }).event);
  // Being told the same again changes nothing, and would fill the disk.
  if (event.type === 'MemberTold' && decided.length === 0 && next.context.told === snapshot.context.told) return;
  const [before, after] = [factsOf(snapshot.context), factsOf(next.context)];
  if (routine.has(event.type) && decided.length === 0 && isDeepStrictEqual(before, after)) return;
  journal.append({ kind: 'input', input: plain(event), state: lifeState(next), decided, facts: after });
}

/** An event as plain JSON; errors by their message (their facts are in the log). */
function plain({ input: _input, ...event }: AnyEventObject): unknown {
  return 'error' in event ? { ...event, error: reasonOf(event['error']) } : event;
}

/** Logs each change of state and condition once. */
function createTeller(log: Log): (step: Step) => void {
  let lastState = '';
  let lastCondition = '';
  let since = performance.now();
  return ({ state, condition, message }) => {
    const key = `${condition} ${message}`;
    if (state !== lastState) {
      const durationMs = Math.round(performance.now() - since);
      since = performance.now();
      log.info(
        { event: 'lifecycle.entered', state, from: lastState, durationMs, condition, message },
        `instance is ${state}`,
      );
    } else if (key !== lastCondition) {
      const level = condition === 'blocked' || condition === 'degraded' ? 'warn' : 'info';
      log[level]({ event: 'lifecycle.condition', state, condition, message }, `instance is ${condition}`);
    }
    lastState = state;
    lastCondition = key;
  };
}
