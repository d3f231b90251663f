import { setTimeout as sleep } from 'node:timers/promises';
import { type AnyEventObject, createActor, fromPromise, type SnapshotFrom, transition } from 'xstate';
import { reasonOf } from '../state/errors.ts';
import { conditionOf } from '../state/lifecycle/condition.ts';
import { lifecycle } from '../state/lifecycle/lifecycle.ts';
import type {
  Deployment,
  Gate,
  GateOutcome,
  LifecycleEvent,
  LifecycleInput,
  StatusEvent,
} from '../state/lifecycle/vocabulary.ts';
import type { Journal } from './journal.ts';
import type { Log } from './log.ts';

/** What the machine may do in the world, one function per actor and action of its vocabulary. */
export type World = {
  requestTopology(signal: AbortSignal): Promise<void>;
  requestTenants(): void;
  /** @param onHeld - called each time a hook asks to be asked again, with its reason */
  runGate(input: GateInput, onHeld: (reason: string) => void, signal: AbortSignal): Promise<GateOutcome>;
  notifyActivated(): void;
  /** Puts a status event into the outbox: from here on it will be delivered. */
  decide(event: StatusEvent): void;
  delivery(input: { event: StatusEvent; atMostMs: number | null }, signal: AbortSignal): Promise<void>;
  flushOutbox(signal: AbortSignal): Promise<void>;
  fetchArtifact(tenantId: string, signal: AbortSignal): Promise<Deployment>;
  placeArtifact(tenantId: string, signal: AbortSignal): Promise<void>;
  waitForPorts(signal: AbortSignal): Promise<void>;
  publishStatistics(signal: AbortSignal): Promise<void>;
};

/** A running machine. */
export type Lifecycle = {
  send(event: LifecycleEvent): void;
  /** Settles when the instance is obsolete and everything is delivered; rejects on a defect. */
  readonly ended: Promise<{ gaveUp: boolean }>;
  stop(): void;
};

type GateInput = { readonly gate: Gate; readonly tenantId?: string; readonly budgetMs?: number };
type Snapshot = SnapshotFrom<typeof lifecycle>;

/** Starts the machine of `state/lifecycle` and lets it act. Each input is in the journal before anything comes of it. */
export function startLifecycle(
  input: LifecycleInput,
  { world, journal, log }: { world: World; journal: Journal; log: Log },
): Lifecycle {
  const send = (event: LifecycleEvent) => actor.send(event);
  const actor = createActor(lifecycle.provide(inWorld(world, send)), {
    input,
    // Every input passes here before the machine takes it: ours, and the ends of its own actors.
    inspect: (inspected) => {
      if (inspected.type === '@xstate.event' && inspected.actorRef === actor)
        record(actor.getSnapshot(), inspected.event, journal);
    },
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<{ gaveUp: boolean }>();
  const tell = createTeller(log);
  actor.subscribe({
    next: (snapshot) => {
      tell(snapshot);
      if (snapshot.hasTag('ended')) resolve({ gaveUp: snapshot.context.gaveUp });
    },
    error: reject,
  });
  actor.start();
  return { send, ended, stop: () => actor.stop() };
}

/** The state people mean: that of the life region. */
export function lifeState(snapshot: Snapshot): string {
  const { life } = snapshot.value as { life: string | Record<string, unknown> };
  return typeof life === 'string' ? life : (Object.keys(life)[0] ?? '');
}

function inWorld(world: World, send: (event: LifecycleEvent) => void) {
  return {
    actors: {
      requestTopology: fromPromise<void>(({ signal }) => world.requestTopology(signal)),
      runGate: fromPromise<GateOutcome, GateInput>(({ input, signal }) =>
        world.runGate(input, (reason) => send({ type: 'GateHeld', gate: input.gate, reason }), signal),
      ),
      delivery: fromPromise<void, { event: StatusEvent; atMostMs: number | null }>(({ input, signal }) =>
        world.delivery(input, signal),
      ),
      fetchArtifact: fromPromise<Deployment, { tenantId: string }>(({ input, signal }) =>
        world.fetchArtifact(input.tenantId, signal),
      ),
      placeArtifact: fromPromise<void, { tenantId: string }>(({ input, signal }) =>
        world.placeArtifact(input.tenantId, signal),
      ),
      waitForPorts: fromPromise<void>(({ signal }) => world.waitForPorts(signal)),
      publishStatistics: fromPromise<void>(({ signal }) => world.publishStatistics(signal)),
      flushOutbox: fromPromise<void>(({ signal }) => world.flushOutbox(signal)),
      pause: fromPromise<void, { ms: number | null }>(({ input, signal }) => pause(input.ms, signal)),
    },
    actions: {
      decide: (_: unknown, { event }: { event: StatusEvent }) => world.decide(event),
      notifyActivated: () => world.notifyActivated(),
      requestTenants: () => world.requestTenants(),
    },
  };
}

/** Monotonic, as Node's timers are; longer than their 24 days is done in pieces, null is for ever. */
async function pause(ms: number | null, signal: AbortSignal): Promise<void> {
  const pieceMs = 2 ** 31 - 1;
  for (let leftMs = ms ?? Number.POSITIVE_INFINITY; leftMs > 0; leftMs -= pieceMs) {
    await sleep(Math.min(leftMs, pieceMs), undefined, { signal });
  }
}

function record(snapshot: Snapshot, event: AnyEventObject, journal: Journal): void {
  const isInit = event.type === 'xstate.init';
  const [next, actions] = isInit ? [snapshot, []] : transition(lifecycle, snapshot, event as LifecycleEvent);
  const decided = actions
    .filter(({ type }) => type === 'decide')
    .map(({ params }) => (params as { event: string }).event);
  // Being told the same again changes nothing, and would fill the disk.
  if (event.type === 'MemberTold' && decided.length === 0 && next.context.told === snapshot.context.told) return;
  journal.append({ kind: 'input', input: plain(event), state: lifeState(next), decided });
}

/** An event as plain JSON; errors by their message (their facts are in the log). */
function plain({ input: _input, ...event }: AnyEventObject): unknown {
  return 'error' in event ? { ...event, error: reasonOf(event['error']) } : event;
}

/** Logs each change of state and condition once. */
function createTeller(log: Log): (snapshot: Snapshot) => void {
  let lastState = '';
  let lastCondition = '';
  let since = performance.now();
  return (snapshot) => {
    const state = lifeState(snapshot);
    const { condition, message } = conditionOf(state, snapshot.context.notes);
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
