import { fromTransition, initialTransition, transition } from 'xstate';
import { getAdjacencyMap } from 'xstate/graph';
import type { Deployment } from '../../state/lifecycle/facts.ts';
import { Facts, factsOf, noFacts } from '../../state/lifecycle/facts.ts';
import { lifecycle } from '../../state/lifecycle/lifecycle.ts';

/** Something that happens to a life: a message, the end of an actor, or `restart`. */
export type Step = { readonly type: string; readonly [key: string]: unknown };
export type Snapshot = ReturnType<typeof initialTransition<typeof lifecycle>>[0];
type Input = Parameters<typeof initialTransition<typeof lifecycle>>[1];

/** A life, seen over all runs of its agent. */
export type Life = {
  /** The machine of the present run. */
  readonly machine: Snapshot;
  /** Each status event that was decided, once, in the order of the first times. */
  readonly said: readonly string[];
  /** Gates that have come to their end and are not to be run again. */
  readonly through: readonly string[];
  /** What should not have happened. */
  readonly problems: readonly string[];
  /** How it got here. */
  readonly way: readonly string[];
};

/** What was before one step, and what came of it. */
export type Change = {
  readonly before: Life;
  readonly step: Step;
  readonly machine: Snapshot;
  /** The events that this step decided. */
  readonly decided: readonly string[];
  readonly through: readonly string[];
};

/** Of a running machine. */
export const restart: Step = { type: 'restart' };
export const cleanup: Step = { type: 'CleanupRequested', budgetMs: null };
export const told = (status: string): Step => ({ type: 'MemberTold', status, complete: true });
export const artifactUpdated: Step = { type: 'ArtifactUpdated', tenantId: '1' };
export const done = (id: string, output?: unknown): Step => ({ type: `xstate.done.actor.${id}`, output });

const onceInALife = ['lvsInterface', 'volumeMount', 'instanceStarting', 'startServers', 'instanceActivating'];
const leavingGates = ['drain', 'clean'];
const updateGates = ['artifactUpdating', 'artifactUpdated'];
const failing = ['placeArtifact', 'proveArtifact', 'acceptArtifact', 'removeArtifact', 'waitForPorts'];

const found: Deployment = {
  tenantId: '1',
  commit: 'c0ffee',
  changed: true,
  path: '/srv',
  repoUrl: 'https://git/web',
  oldCommit: null,
  rejected: false,
  warning: null,
  isRelease: false,
};

/**
 * Goes every way a life can take, with a restart between any two steps: of all ways that lead to the same place, as far as
 * `isSame` can tell, one is gone on with. So each step is taken from everywhere.
 *
 * @param options - `heard`: what the platform may say at any time; `check`: what is wrong with a step
 */
export function everyLife(options: {
  input: Omit<NonNullable<Input>, 'facts'>;
  heard: readonly Step[];
  check: (change: Change) => readonly string[];
}): readonly Life[] {
  const { input, heard, check } = options;
  const start = (facts: Facts) => initialTransition(lifecycle, { ...input, facts });

  function take(before: Life, step: Step): Life {
    const isRestart = step.type === restart.type;
    const [machine, actions] = isRestart
      ? start(asWritten(factsOf(before.machine.context)))
      : transition(lifecycle, before.machine, step as Parameters<typeof transition<typeof lifecycle>>[2]);
    const decided = actions.flatMap(({ type, params }) =>
      type === 'decide' ? [(params as { event: string }).event] : [],
    );
    const through = [...new Set([...before.through, ...gateEndedBy(step)])];
    const problems = check({ before, step, machine, decided, through });
    const said = [...new Set([...before.said, ...decided])];
    return { machine, said, through, problems, way: [...before.way, nameOf(step)] };
  }

  const [machine] = start(noFacts);
  const first: Life = { machine, said: [], through: [], problems: [], way: [] };
  const logic = fromTransition((life: Life, step: Step) => take(life, step), first);
  const places = getAdjacencyMap(logic, {
    events: ({ context: life }) => (life.problems.length > 0 ? [] : [...stepsIn(life.machine, heard), restart]),
    serializeState: ({ context: life }) => placeOf(life),
    limit: 1_000_000,
  });
  return Object.values(places).map(({ state }) => state.context);
}

/** Where the life region is: `started.waitingForPorts`. */
export function lifePath(machine: Snapshot): string {
  return pathIn((machine.value as { life: unknown }).life).join('.');
}

/** Whether an actor of that name runs. */
export function runs(machine: Snapshot, id: string): boolean {
  return (machine.children as Record<string, unknown>)[id] !== undefined;
}

/** The rest of a life, from wherever it is. */
export function leave(machine: Snapshot): Snapshot {
  const steps = [cleanup, done('maintenanceDelivery'), passed('drain'), passed('clean'), done('flushOutbox')];
  return steps.reduce((now, step) => transition(lifecycle, now, step as never)[0], machine);
}

/** What can happen now: the platform says something, or one of the actors that run comes to its end. */
function stepsIn(machine: Snapshot, heard: readonly Step[]): Step[] {
  const ends = Object.keys(machine.children).filter((id) => runs(machine, id));
  return [...heard, ...ends.flatMap(endsOf)];
}

function endsOf(id: string): Step[] {
  if (leavingGates.includes(id)) return [passed(id), failed(id)];
  if (onceInALife.includes(id) || updateGates.includes(id))
    return [passed(id), done(id, { kind: 'blocked', reason: 'no', by: 'veto' })];
  if (id === 'fetchArtifact') return [done(id, found), done(id, { ...found, changed: false }), failed(id)];
  if (id === 'returnArtifact') return [done(id, found), failed(id)];
  if (failing.includes(id)) return [done(id), failed(id)];
  // These are not expected to end by themselves.
  return ['publishStatistics', 'requestTopology'].includes(id) ? [] : [done(id)];
}

function passed(gate: string): Step {
  return done(gate, { kind: 'passed' });
}

function failed(id: string): Step {
  return { type: `xstate.error.actor.${id}`, error: new Error('no') };
}

function gateEndedBy({ type, output }: Step): string[] {
  const gate = type.split('.').at(-1) ?? '';
  const hasPassed = typeof output === 'object' && output !== null && 'kind' in output && output.kind === 'passed';
  if (onceInALife.includes(gate)) return hasPassed ? [gate] : [];
  return leavingGates.includes(gate) ? [gate] : [];
}

/** As the journal gives them back. */
function asWritten(facts: Facts): Facts {
  return Facts.parse(JSON.parse(JSON.stringify(facts)));
}

/** Counters would make the ways endless; what was told matters where it is waited for. */
function placeOf({ machine, said, through, problems }: Life): string {
  const { attempts: _attempts, passedHooks: _hooks, ...facts } = factsOf(machine.context);
  const listens = /^created|waitingForArtifacts/.test(lifePath(machine));
  const { told: shown, wanted } = machine.context;
  return JSON.stringify([machine.value, facts, listens ? shown : null, wanted, said, through, problems]);
}

function pathIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.entries(value as object).flatMap(([name, inner]) => [name, ...pathIn(inner)]);
}

function nameOf({ type, status, output, error }: Step): string {
  const kind = typeof output === 'object' && output !== null && 'kind' in output ? ` ${String(output.kind)}` : '';
  const how = error === undefined ? kind : ' failed';
  return `${type.replace(/^xstate\.(done|error)\.actor\./, '')}${status === undefined ? '' : ` ${String(status)}`}${how}`;
}
