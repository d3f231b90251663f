import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { AnyStateNode } from 'xstate';
import { createLog } from '../agent/log.ts';
import { watchPatience } from '../agent/patience.ts';
import { lifecycle } from '../state/lifecycle/lifecycle.ts';
import {
  type Activity,
  isKnownActor,
  isKnownState,
  type Limits,
  overdueNotes,
  waitsIn,
} from '../state/lifecycle/patience.ts';

const limits: Limits = {
  hookTimeoutMs: 60_000,
  artifactTimeoutMs: 600_000,
  proofTimeoutMs: 60_000,
  portsTimeoutMs: 120_000,
  terminationBudgetMs: 300_000,
};
const silent = createLog({ level: 'silent', pretty: false, colour: false });

function running(id: string, input: unknown = {}, run = '1'): Activity {
  return { states: ['life.started.somewhere', 'artifacts.idle'], actors: [{ id, run, input }] };
}

function waiting(...states: string[]): Activity {
  return { states, actors: [] };
}

describe('the longest time', () => {
  const leaves = leavesOf(lifecycle.root);

  test.for(leaves.map((node) => ({ path: node.path.join('.'), node })))('of $path is known', ({ path, node }) => {
    const actors = node.invoke.map(({ id }) => id);
    const passesOn = (node.always ?? []).some(({ guard }) => guard === undefined);

    expect(actors.filter((id) => !isKnownActor(id))).toEqual([]);
    expect(passesOn || actors.length > 0 || isKnownState(path)).toBe(true);
  });

  test('of whatever runs over several states is known', () => {
    const actors = [lifecycle.root, ...branchesOf(lifecycle.root)].flatMap(({ invoke }) => invoke.map(({ id }) => id));

    expect(actors).toContain('terminationBudget');
    expect(actors.filter((id) => !isKnownActor(id))).toEqual([]);
  });

  test.for([
    { summary: 'the topology', activity: running('requestTopology'), longestMs: 60_000, code: 'STUCK_TOPOLOGY' },
    { summary: 'a gate of the start', activity: running('startServers'), longestMs: 65_000, code: 'STUCK_HOOK' },
    { summary: 'a gate of an update', activity: running('artifactUpdated'), longestMs: 65_000, code: 'STUCK_HOOK' },
    { summary: 'drain', activity: running('drain'), longestMs: 305_000, code: 'STUCK_HOOK' },
    { summary: 'a clone', activity: running('fetchArtifact'), longestMs: 605_000, code: 'STUCK_ARTIFACT' },
    { summary: 'the ports', activity: running('waitForPorts'), longestMs: 125_000, code: 'STUCK_PORTS' },
    {
      summary: 'a delivery',
      activity: running('startedDelivery', { atMostMs: null }),
      longestMs: 10_000,
      code: 'STUCK_DELIVERY',
    },
    {
      summary: 'a delivery that is not waited for longer',
      activity: running('maintenanceDelivery', { atMostMs: 2_000 }),
      longestMs: 7_000,
      code: 'STUCK_DELIVERY',
    },
    {
      summary: 'the rest of the outbox',
      activity: running('flushOutbox'),
      longestMs: 10_000,
      code: 'STUCK_DELIVERY',
    },
    {
      summary: 'a pause',
      activity: running('terminationBudget', { ms: 300_000 }),
      longestMs: 305_000,
      code: 'STUCK_PAUSE',
    },
    {
      summary: 'Initialized',
      activity: waiting('life.created.joining', 'artifacts.idle'),
      longestMs: 300_000,
      code: 'STUCK_INITIALIZED',
    },
    {
      summary: 'ArtifactUpdated',
      activity: waiting('life.started.waitingForArtifacts', 'artifacts.idle', 'retries.calm'),
      longestMs: 90_000,
      code: 'STUCK_ARTIFACT_EVENT',
    },
    {
      summary: 'what nobody here has heard of',
      activity: running('newcomer'),
      longestMs: 600_000,
      code: 'STUCK_UNKNOWN',
    },
  ])('to wait for $summary is $longestMs ms', ({ activity, longestMs, code }) => {
    const waits = waitsIn(activity, limits);

    expect(waits).toMatchObject([{ longestMs, code, remedy: expect.stringMatching(/\.$/) }]);
  });

  test.for([
    { summary: 'to serve', activity: waiting('life.active.serving', 'artifacts.idle') },
    {
      summary: 'to wait for ArtifactUpdated while a repository is tried',
      activity: waiting('life.started.waitingForArtifacts', 'artifacts.failed'),
    },
  ])('$summary is not asked for', ({ activity }) => {
    expect(waitsIn(activity, limits)).toEqual([]);
  });

  test.for(['publishStatistics', 'activationDeadline'])('of %s is for ever', (id) => {
    expect(waitsIn(running(id, { ms: null }), limits)).toMatchObject([{ longestMs: null }]);
  });
});

describe('what takes too long', () => {
  const waits = waitsIn(running('startServers'), limits);

  test('makes the condition waiting before the instance is active, degraded once it is', () => {
    const before = overdueNotes(waits, ['life.started.startingServers.running']);
    const after = overdueNotes(waits, ['life.active.serving']);

    expect(Object.values(before)).toEqual([
      { condition: 'waiting', text: 'waits for the hooks of startServers, longer than the 65 s it may take' },
    ]);
    expect(Object.values(after)).toMatchObject([{ condition: 'degraded' }]);
  });
});

describe('the watch', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function watch() {
    const told: number[] = [];
    const it = watchPatience({ limits, log: silent, onOverdue: () => told.push(Object.keys(it.overdue()).length) });
    return Object.assign(it, { told });
  }

  test('tells once, when the time is over and not before', () => {
    const it = watch();
    it.look(running('startServers'));

    vi.advanceTimersByTime(64_999);
    const before = { told: [...it.told], overdue: it.overdue() };
    vi.advanceTimersByTime(600_000);

    expect(before).toEqual({ told: [], overdue: {} });
    expect(it.told).toEqual([1]);
    expect(it.waits()).toMatchObject([{ about: 'startServers', forMs: 664_999, isOverdue: true }]);
  });

  test('goes on counting while other things happen, and begins anew with another run', () => {
    const it = watch();
    it.look(running('startServers'));
    vi.advanceTimersByTime(60_000);
    it.look(running('startServers'));
    vi.advanceTimersByTime(4_000);
    it.look(running('startServers', {}, '2'));

    vi.advanceTimersByTime(64_000);

    expect(it.told).toEqual([]);
    vi.advanceTimersByTime(1_000);
    expect(it.told).toEqual([1]);
  });

  test('has nothing more to tell once it went on', () => {
    const it = watch();
    it.look(running('startServers'));
    vi.advanceTimersByTime(70_000);

    it.look(waiting('life.active.serving', 'artifacts.idle'));

    expect(it.overdue()).toEqual({});
    expect(it.waits()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('does not mind a clock that jumps by a day', () => {
    const it = watch();
    it.look(running('startServers'));

    vi.setSystemTime(Date.now() + 86_400_000);
    vi.advanceTimersByTime(64_999);
    const forward = [...it.told];
    vi.setSystemTime(Date.now() - 2 * 86_400_000);
    vi.advanceTimersByTime(1);

    expect(forward).toEqual([]);
    expect(it.told).toEqual([1]);
  });

  test('waits longer than a timer of Node can', () => {
    const it = watch();
    it.look(running('activationDeadline', { ms: 2 ** 31 - 1 }));

    vi.advanceTimersByTime(3_600_000);

    expect(it.told).toEqual([]);
  });

  test('leaves no timer behind', () => {
    const it = watch();
    it.look(running('startServers'));

    it.stop();

    expect(vi.getTimerCount()).toBe(0);
  });
});

function leavesOf(node: AnyStateNode): AnyStateNode[] {
  const children = Object.values(node.states);
  return children.length === 0 ? [node] : children.flatMap(leavesOf);
}

function branchesOf(node: AnyStateNode): AnyStateNode[] {
  const children = Object.values(node.states);
  return children.length === 0 ? [] : [node, ...children.flatMap(branchesOf)];
}
