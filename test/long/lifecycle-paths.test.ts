import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type Facts, factsOf } from '../../state/lifecycle/facts.ts';
import {
  artifactUpdated,
  type Change,
  cleanup,
  everyLife,
  leave,
  lifePath,
  restart,
  runs,
  type Snapshot,
  told,
} from '../support/restartable-life.ts';

const started = 'InstanceStartedEvent';
const activated = 'InstanceActivatedEvent';
const maintenance = 'InstanceMaintenanceModeEvent';
const ready = 'InstanceReadyToShutdownEvent';
const input = {
  hasRepository: false,
  gates: { lvsInterface: false, volumeMount: false },
  activationDeadlineMs: 900_000,
  terminationBudgetMs: 600_000,
  cloneRetries: 1,
  cloneRetryIntervalMs: 10_000,
  artifactIntervalMs: null,
  multiTenant: false,
  startedAgoMs: null,
};
/** The broker has acknowledged all that was decided. */
const allOut = { type: 'StatusOut', left: 0 };
const statuses = ['Created', 'Initialized', 'Starting', 'Active', 'In_Maintenance', 'ReadyToShutDown', 'Absent'];

const settings = [
  {
    summary: 'without a repository, with a virtual interface and volumes',
    input: { ...input, gates: { lvsInterface: true, volumeMount: true } },
    heard: [...statuses.map(told), cleanup, { ...cleanup, budgetMs: 8_000 }, allOut],
  },
  {
    summary: 'with a repository',
    input: { ...input, hasRepository: true },
    heard: [told('Initialized'), artifactUpdated, cleanup],
  },
];

describe.for(settings)('every life $summary, with a restart between any two steps,', ({ input, heard }) => {
  const lives = everyLife({ input, heard, check: problemsOf });

  test('goes on where it was, and says and does nothing it must not', () => {
    const wrong = lives.filter(({ problems }) => problems.length > 0);

    expect(wrong.slice(0, 5).map(({ problems, way }) => `${way.join(', ')}: ${problems.join('; ')}`)).toEqual([]);
    expect(lives.length).toBeGreaterThan(400);
  });

  test('can be left by a cleanup, and then ends', () => {
    // What else is remembered makes no difference to leaving.
    const keyOf = ({ value, context }: Snapshot) =>
      JSON.stringify([value, context.startedAnything, context.passedGates]);
    const distinct = new Map(lives.map((life) => [keyOf(life.machine), life])).values();

    const stuck = [...distinct].filter(({ machine }) => !machine.hasTag('ended') && !leave(machine).hasTag('ended'));

    expect(stuck.map(({ machine, way }) => `${lifePath(machine)} after ${way.join(', ')}`)).toEqual([]);
  });
});

function problemsOf(change: Change): string[] {
  const { before, step, machine, decided, through } = change;
  const rules: readonly (readonly [summary: string, isKept: boolean])[] = [
    ['says Started once active, though it is shown active', !decided.includes(started) || maySayStarted(change)],
    ['says Activated without what it needs', !isFirst(activated, change) || mayBeActive(change)],
    ['says something of coming up while it leaves', !before.said.includes(maintenance) || !decided.some(isOfComingUp)],
    ['goes back', orderOf(machine) >= orderOf(before.machine) || step === restart],
    ['runs again what has come to its end', through.every((gate) => !runs(machine, gate))],
    ['sends no statistics while it serves', runs(machine, 'publishStatistics') === mayServe(machine)],
    ['touches artifacts though it leaves', !isOver(machine) || artifactActors.every((id) => !runs(machine, id))],
    ['says the last word twice', !decided.includes(ready) || !before.said.includes(ready)],
    ['does not clean what it has started', !isFirst(ready, change) || mayDepart(change)],
  ];
  const broken = rules.filter(([, isKept]) => !isKept).map(([summary]) => summary);
  return step === restart ? [...broken, ...problemsOfRestart(change)] : broken;
}

function problemsOfRestart({ before, machine, decided }: Change): string[] {
  const facts = factsOf(machine.context);
  const known = factsOf(before.machine.context);
  const problems: string[] = [];
  const expected = afterRestart(before.machine);
  if (!expected.includes(lifePath(machine))) problems.push(`is in ${lifePath(machine)}, not in ${expected.join()}`);
  if (decided.length > 0) problems.push(`decides ${decided.join()} by a restart alone`);
  for (const name of Object.keys(known) as (keyof Facts)[])
    if (name !== 'attempts' && name !== 'asked' && !isDeepStrictEqual(facts[name], known[name]))
      problems.push(`knows other ${name}`);
  // Those that were refused are asked again.
  const asked = new Set([...known.asked, ...Object.keys(known.unsuccessful)]);
  if (!isDeepStrictEqual(new Set(facts.asked), asked)) problems.push(`has been asked for ${facts.asked.join()}`);
  for (const [gate, count] of Object.entries(known.attempts)) {
    const counted = facts.attempts[gate];
    if (counted !== count + (runs(machine, gate) ? 1 : 0)) problems.push(`counts ${counted} of ${gate} after ${count}`);
  }
  if (known.unsettled !== null && !isDeploying(machine) && mayDeploy(machine)) problems.push('forgets a deployment');
  return problems;
}

/**
 * Where a machine is once its agent was restarted. Started and what comes after it are gone through again from their first
 * step, past the gates that are through; before, the platform says where to go on.
 */
function afterRestart(machine: Snapshot): string[] {
  const [state = ''] = lifePath(machine).split('.');
  const { started: hasStarted, passedGates, gates, activationNotified } = machine.context;
  switch (state) {
    case 'created':
    case 'initialized':
      if (hasStarted) return [];
      if (gates.lvsInterface && !passedGates.includes('lvsInterface')) return ['created.virtualInterface.running'];
      return ['created.joining'];
    case 'started':
      return ['started.announcing'];
    case 'active':
      return [activationNotified ? 'active.serving' : 'active.announcing'];
    case 'pendingTermination':
      return ['pendingTermination.announcing'];
    default:
      return ['obsolete.flushing'];
  }
}

const order = ['created', 'initialized', 'started', 'active', 'pendingTermination', 'obsolete'];

function orderOf(machine: Snapshot): number {
  return order.indexOf(lifePath(machine).split('.')[0] ?? '');
}

function isFirst(event: string, { before, decided }: Change): boolean {
  return decided.includes(event) && !before.said.includes(event);
}

/** A member that the platform shows as active would be taken out of service by it. */
function maySayStarted({ before, step }: Change): boolean {
  const shown = step.type === 'MemberTold' ? step['status'] : before.machine.context.told;
  if (before.machine.context.activated) return step.type === 'MemberTold' && shown === 'Initialized';
  return shown === null ? !before.said.includes(started) : shown === 'Initialized' || shown === 'Starting';
}

function mayBeActive({ before: { machine: before }, machine: { context } }: Change): boolean {
  // The platform knew it as active, from an earlier run whose disk was lost, and has forgotten.
  if (before.context.activated) return true;
  const isInPlace = !context.hasRepository || context.deployed.length > 0;
  const isUp = context.started && context.passedGates.includes('startServers');
  return isInPlace && isUp && lifePath(before).startsWith('started.activating');
}

function isOfComingUp(event: string): boolean {
  return event === started || event === activated;
}

/** From the decision to activate to the last word. */
function mayServe({ context }: Snapshot): boolean {
  return context.activated && !context.departed;
}

function mayDepart({ before, step, through }: Change): boolean {
  const isSpent = /(terminationBudget|hurryBudget)$/.test(step.type);
  return isSpent || !before.machine.context.startedAnything || through.includes('clean');
}

const artifactActors = ['fetchArtifact', 'artifactUpdating', 'placeArtifact', 'artifactUpdated', 'returnArtifact'];

function isOver({ context }: Snapshot): boolean {
  return context.leaving || context.departed;
}

function mayDeploy(machine: Snapshot): boolean {
  const { context } = machine;
  return !isOver(machine) && (context.activated || context.passedGates.includes('startServers'));
}

function isDeploying(machine: Snapshot): boolean {
  return JSON.stringify(machine.value).includes('"artifacts":{"deploying"');
}
