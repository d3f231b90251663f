import { describe, expect, test } from 'vitest';
import { initialTransition, transition } from 'xstate';
import { getShortestPaths } from 'xstate/graph';
import { conditionOf } from '../state/lifecycle/condition.ts';
import type { LifecycleInput } from '../state/lifecycle/context.ts';
import { Facts, factsOf, noFacts } from '../state/lifecycle/facts.ts';
import { lifecycle } from '../state/lifecycle/lifecycle.ts';

type Step = { type: string; [key: string]: unknown };
type Snapshot = ReturnType<typeof initialTransition<typeof lifecycle>>[0];

const facts: LifecycleInput = {
  hasRepository: false,
  gates: { lvsInterface: false, volumeMount: false },
  activationDeadlineMs: null,
  terminationBudgetMs: 600_000,
  cloneRetries: 3,
  cloneRetryIntervalMs: 10_000,
  artifactIntervalMs: 10_000,
  multiTenant: false,
  facts: noFacts,
  startedAgoMs: null,
};
const told = (status: string, complete = false): Step => ({ type: 'MemberTold', status, complete });
const done = (id: string, output?: unknown): Step => ({ type: `xstate.done.actor.${id}`, output });
const passed = (gate: string) => done(gate, { kind: 'passed' });
const failed = (id: string, message: string): Step => ({ type: `xstate.error.actor.${id}`, error: new Error(message) });
const artifact = (tenantId = '1'): Step => ({ type: 'ArtifactUpdated', tenantId });
const cleanup: Step = { type: 'CleanupRequested', budgetMs: null };
const deployment = {
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
const rested = done('artifactRest');
const found = (changed = true, tenantId = '1', more = {}) =>
  done('fetchArtifact', { ...deployment, tenantId, changed, ...more });

const toStarted = [told('Initialized'), passed('instanceStarting')];
const toServers = [...toStarted, done('startedDelivery'), passed('startServers')];
const toPlaced = [...toServers, artifact(), found(), passed('artifactUpdating'), done('placeArtifact')];
const toActive = [...toServers, done('waitForPorts'), passed('instanceActivating')];
const leave = [cleanup, done('maintenanceDelivery'), passed('drain'), passed('clean'), done('flushOutbox')];
const wholeLife = [
  'InstanceStartedEvent',
  'InstanceActivatedEvent',
  'InstanceMaintenanceModeEvent',
  'InstanceReadyToShutdownEvent',
];

describe('a life', () => {
  test('goes from created to obsolete, and decides each status event once', () => {
    const { states, decided } = live([...toActive, done('activatedDelivery'), ...leave]);

    expect(states).toEqual(['created', 'initialized', 'started', 'active', 'pendingTermination', 'obsolete']);
    expect(decided).toEqual(wholeLife);
  });

  test('with a repository waits for its artifacts before it looks at the ports', () => {
    const waiting = live(toServers, { hasRepository: true });
    const placed = live([...toPlaced, passed('artifactUpdated')], { hasRepository: true });

    expect(waiting.path).toBe('started.waitingForArtifacts');
    expect(placed.path).toBe('started.waitingForPorts');
  });

  test('does not start before the platform knows it as initialized', () => {
    for (const status of ['Absent', 'Created', 'Suspended', 'Terminated']) {
      expect(live([told(status)]).path).toBe('created.joining');
    }
    expect(live([told('Absent'), told('Created'), told('Initialized')]).path).toBe('initialized.starting.running');
  });

  test('makes the virtual interface before it asks for the topology, and mounts volumes before anything starts', () => {
    const gates = { lvsInterface: true, volumeMount: true };

    const early = live([told('Initialized')], { gates });
    const later = live([told('Initialized'), passed('lvsInterface')], { gates });

    expect(early.path).toBe('created.virtualInterface.running');
    expect(later.path).toBe('initialized.volumes.running');
    expect(live([told('Initialized'), passed('lvsInterface'), passed('volumeMount')], { gates }).path).toBe(
      'initialized.starting.running',
    );
  });
});

describe('an agent that was restarted', () => {
  test.for([
    {
      summary: 'Starting: goes on in started, Started is not said again',
      status: 'Starting',
      path: 'started.announcing',
    },
    { summary: 'Active: serves and reports at once', status: 'Active', path: 'active.serving' },
    { summary: 'In_Maintenance: goes on leaving', status: 'In_Maintenance', path: 'pendingTermination.announcing' },
    { summary: 'ReadyToShutDown: goes on leaving', status: 'ReadyToShutDown', path: 'pendingTermination.announcing' },
  ])('$summary', ({ status, path }) => {
    const life = live([told(status)]);

    expect(life.path).toBe(path);
    expect(life.decided).not.toContain('InstanceStartedEvent');
    expect(life.decided).not.toContain('InstanceActivatedEvent');
  });

  test('reports statistics when the platform shows Active, and cleans what an earlier run started', () => {
    const active = live([told('Active')]);
    const leaving = live([told('Starting'), cleanup, done('maintenanceDelivery')]);

    expect(active.snapshot.value).toMatchObject({ health: 'reporting' });
    expect(leaving.path).toBe('pendingTermination.draining.running');
  });
});

describe('once active', () => {
  test('an earlier status of our own member never leads back', () => {
    for (const status of ['Created', 'Initialized', 'Starting', 'Absent']) {
      expect(live([...toActive, done('activatedDelivery'), told(status, true)]).path).toBe('active.serving');
    }
  });

  test('a topology that shows us leaving is a cleanup we have lost', () => {
    const shown = live([...toActive, done('activatedDelivery'), told('In_Maintenance', true)]);

    expect(shown.path).toBe('pendingTermination.announcing');
    expect(live([...toActive, told('In_Maintenance')]).path).toBe('active.announcing');
  });

  test('a member that is no longer listed is told, and forgotten when it is back', () => {
    const gone = live([...toActive, told('Absent')]);
    const back = live([...toActive, told('Absent'), told('Active')]);

    expect(gone.condition).toMatchObject({
      condition: 'degraded',
      message: expect.stringContaining('no longer lists'),
    });
    expect(back.condition).toEqual({ condition: 'ok', message: '' });
  });

  test('statistics go on during maintenance and end with ReadyToShutdown', () => {
    const leaving = live([...toActive, cleanup]);
    const obsolete = live([...toActive, cleanup, done('terminationBudget')]);

    expect(leaving.snapshot.value).toMatchObject({ health: 'reporting' });
    expect(obsolete.snapshot.value).toMatchObject({ health: 'silent' });
  });
});

describe('a cleanup', () => {
  const lives: { summary: string; steps: Step[]; input?: Partial<LifecycleInput>; cleans: boolean }[] = [
    { summary: 'before the platform was heard', steps: [], cleans: false },
    {
      summary: 'while the virtual interface is made',
      steps: [],
      input: { gates: { lvsInterface: true, volumeMount: false } },
      cleans: false,
    },
    { summary: 'while instanceStarting runs', steps: [told('Initialized')], cleans: true },
    { summary: 'while Started is on its way', steps: toStarted, cleans: true },
    { summary: 'while startServers runs', steps: [...toStarted, done('startedDelivery')], cleans: true },
    { summary: 'while waiting for artifacts', steps: toServers, input: { hasRepository: true }, cleans: true },
    {
      summary: 'in the middle of a clone',
      steps: [...toServers, artifact()],
      input: { hasRepository: true },
      cleans: true,
    },
    { summary: 'while artifactUpdated runs', steps: toPlaced, input: { hasRepository: true }, cleans: true },
    { summary: 'while ports stay closed', steps: [...toServers, failed('waitForPorts', 'closed')], cleans: true },
    { summary: 'while active', steps: [...toActive, done('activatedDelivery')], cleans: true },
  ];

  test.for(lives)('$summary leads to the end at once', ({ steps, input, cleans }) => {
    const leaving = live([...steps, cleanup, done('maintenanceDelivery')], input);
    const { states, decided, snapshot } = live([...steps, ...leave], input);

    expect(leaving.path).toBe(cleans ? 'pendingTermination.draining.running' : 'obsolete.flushing');
    expect(states.slice(-2)).toEqual(['pendingTermination', 'obsolete']);
    expect(decided.slice(-2)).toEqual(['InstanceMaintenanceModeEvent', 'InstanceReadyToShutdownEvent']);
    expect(snapshot.value).toMatchObject({ artifacts: 'stopped' });
  });

  test('that is repeated changes nothing, and nothing is invented after it', () => {
    const { decided } = live([
      ...toServers,
      cleanup,
      cleanup,
      done('waitForPorts'),
      passed('instanceActivating'),
      ...leave,
      cleanup,
    ]);

    expect(decided).toEqual(['InstanceStartedEvent', 'InstanceMaintenanceModeEvent', 'InstanceReadyToShutdownEvent']);
  });

  test('ends when its budget is spent, whatever hangs', () => {
    for (const hangsIn of [[], [done('maintenanceDelivery')], [done('maintenanceDelivery'), passed('drain')]]) {
      const { path, decided } = live([...toActive, cleanup, ...hangsIn, done('terminationBudget')]);

      expect(path).toBe('obsolete.flushing');
      expect(decided.at(-1)).toBe('InstanceReadyToShutdownEvent');
    }
  });

  test('cleans with the last quarter of its budget, whatever drain waits for', () => {
    const hurried: Step = { type: 'CleanupRequested', budgetMs: 8_000 };
    for (const hangsIn of [[], [done('maintenanceDelivery')]]) {
      for (const isOver of ['drainBudget', 'hurriedDrain']) {
        const { path, snapshot } = live([...toActive, hurried, ...hangsIn, done(isOver)]);

        expect(path).toBe('pendingTermination.cleaning.running');
        expect(snapshot.context.attempts).toEqual({ clean: 1 });
      }
    }
    expect(live([...toActive, cleanup, done('maintenanceDelivery'), done('drain'), done('drainBudget')]).path).toBe(
      'pendingTermination.cleaning.running',
    );
  });

  test('that is in a hurry ends when that time is over, also when it was leaving already', () => {
    const hurried: Step = { type: 'CleanupRequested', budgetMs: 8_000 };

    for (const asked of [[hurried], [cleanup, hurried]]) {
      const { path, decided } = live([...toActive, ...asked, done('maintenanceDelivery'), done('hurryBudget')]);

      expect(path).toBe('obsolete.flushing');
      expect(decided.slice(-2)).toEqual(['InstanceMaintenanceModeEvent', 'InstanceReadyToShutdownEvent']);
    }
  });

  test('passes over what drain and clean come to', () => {
    const steps = [
      cleanup,
      done('maintenanceDelivery'),
      failed('drain', 'no'),
      done('clean', { kind: 'blocked', reason: 'no' }),
    ];

    expect(live([...toActive, ...steps]).path).toBe('obsolete.flushing');
  });
});

describe('artifacts', () => {
  const withRepository = { hasRepository: true };

  test('that cannot be fetched never activate the instance, and are tried again', () => {
    const waiting = live([...toServers, artifact(), failed('fetchArtifact', 'cannot clone')], withRepository);
    const again = live(
      [...toServers, artifact(), failed('fetchArtifact', 'cannot clone'), rested, done('artifactPause')],
      withRepository,
    );

    expect(waiting.path).toBe('started.waitingForArtifacts');
    expect(waiting.condition).toEqual({ condition: 'waiting', message: 'cannot clone' });
    expect(again.snapshot.value).toMatchObject({ artifacts: { deploying: 'fetching' } });
  });

  test('are blocked, for people, when the configured retries are spent', () => {
    const retries = Array.from({ length: 3 }, () => [
      failed('fetchArtifact', 'cannot clone'),
      rested,
      done('artifactPause'),
    ]).flat();

    const { condition } = live(
      [...toServers, artifact(), ...retries, failed('fetchArtifact', 'still')],
      withRepository,
    );

    expect(condition).toEqual({ condition: 'blocked', message: 'still' });
  });

  test('that failed are fetched when the next event comes, once a storm of them is over', () => {
    const storm = [...toServers, artifact(), failed('fetchArtifact', 'cannot clone'), artifact(), artifact()];
    const { snapshot } = live([...storm, rested], withRepository);

    expect(live(storm, withRepository).snapshot.value).toMatchObject({ artifacts: 'idle' });

    expect(snapshot.value).toMatchObject({ artifacts: { deploying: 'fetching' } });
  });

  test('wait for the start hooks, however early their event comes', () => {
    const early = live([artifact(), ...toStarted, done('startedDelivery')], withRepository);
    const ready = live([artifact(), ...toServers], withRepository);

    expect(early.snapshot.value).toMatchObject({ artifacts: 'idle' });
    expect(ready.snapshot.value).toMatchObject({ artifacts: { deploying: 'fetching' } });
  });

  test('that did not change run no hooks, unless those have not succeeded yet', () => {
    const active = [...toPlaced, passed('artifactUpdated'), done('waitForPorts'), passed('instanceActivating')];

    const unchanged = live([...active, rested, artifact(), found(false)], withRepository);
    const neverRun = live([...toServers, artifact(), found(false)], withRepository);

    expect(unchanged.snapshot.value).toMatchObject({ artifacts: 'idle' });
    expect(neverRun.snapshot.value).toMatchObject({ artifacts: { deploying: { updating: 'running' } } });
  });

  test('of one tenant hold up no other', () => {
    const steps = [artifact('1'), artifact('2'), failed('fetchArtifact', 'gone'), found(true, '2')];

    const { snapshot } = live([...toServers, ...steps], withRepository);

    expect(snapshot.context.unsettled?.found).toMatchObject({ tenantId: '2' });
    expect(snapshot.context.failedDeployments).toEqual({ 1: 1 });
  });

  test('refused by a hook are looked at again with the next event', () => {
    const veto = done('artifactUpdating', { kind: 'blocked', reason: 'policy' });

    const blocked = live([...toServers, artifact(), found(), veto], withRepository);
    const again = live([...toServers, artifact(), found(), veto, rested, artifact()], withRepository);

    expect(blocked.condition).toEqual({ condition: 'blocked', message: 'artifactUpdating: policy' });
    expect(again.snapshot.value).toMatchObject({ artifacts: { deploying: 'fetching' } });
  });

  describe('that are in place', () => {
    const active = [...toPlaced, passed('artifactUpdated'), done('waitForPorts'), passed('instanceActivating'), rested];
    const look = done('artifactInterval');
    const updating = { artifacts: { deploying: { updating: 'running' } } };

    test('are looked at again and again', () => {
      expect(live([...active, look], withRepository).snapshot.value).toMatchObject({
        artifacts: { deploying: 'fetching' },
      });
      expect(live([...active, look, found(true)], withRepository).snapshot.value).toMatchObject(updating);
      expect(live([...active, look, found(false)], withRepository).snapshot.value).toMatchObject({ artifacts: 'idle' });
    });

    test.for([
      { summary: 'a veto is asked again', by: 'veto', more: { commit: 'beef' }, again: true },
      { summary: 'a veto is not', by: 'veto', more: {}, again: false },
      { summary: 'a failure is', by: 'failure', more: {}, again: true },
    ])('and were refused: when the next look finds $more, $summary', ({ by, more, again }) => {
      const refusal = done('artifactUpdating', { kind: 'blocked', reason: 'no', by });

      const life = live([...active, look, found(), refusal, rested, look, found(true, '1', more)], withRepository);

      expect(life.snapshot.value).toMatchObject(again ? updating : { artifacts: 'idle' });
    });

    test('and were refused are told as such, whatever becomes of the looks, and after a restart', () => {
      const no = done('artifactUpdating', { kind: 'blocked', reason: 'policy', by: 'veto' });
      const held = { condition: 'blocked', message: 'artifactUpdating: policy' };
      const vetoed = [...active, look, found(), no];

      const away = live([...vetoed, look, failed('fetchArtifact', 'server error')], withRepository);
      const back = live([...vetoed, look, failed('fetchArtifact', 'server error'), look, found()], withRepository);
      const again = live([look, found()], { ...withRepository, facts: factsOf(back.snapshot.context) });
      const asked = live([look, found(), no], { ...withRepository, facts: factsOf(back.snapshot.context) });

      for (const { condition } of [away, back, asked]) expect(condition).toEqual(held);
      expect(back.snapshot.context.notes).not.toHaveProperty('repository of tenant 1');
      expect(again.snapshot.value).toMatchObject(updating);
    });

    test('are told of what was found beside them, until that is right', () => {
      const warned = live([...active, look, found(false, '1', { warning: 'no such scheme' })], withRepository);
      const right = live([...active, look, found(false, '1', { warning: 'x' }), look, found(false)], withRepository);

      expect(warned.condition).toEqual({ condition: 'degraded', message: 'no such scheme' });
      expect(right.condition.condition).toBe('ok');
    });

    test('and whose script fails again and again have it run ever more seldom', () => {
      const failing = [passed('artifactUpdating'), done('placeArtifact')];
      const round = [...failing, done('artifactUpdated', { kind: 'passed', degraded: 'exit 1' }), rested];
      const runs: number[] = [];
      let steps = [...active, look, found(), ...round];
      for (let nth = 1; nth <= 9; nth += 1) {
        steps = [...steps, look, found(false)];
        const isRun = 'deploying' in Object(live(steps, withRepository).snapshot.value.artifacts as object);
        if (isRun) runs.push(nth);
        steps = isRun ? [...steps, ...round] : [...steps, rested];
      }

      expect(runs).toEqual([1, 2, 4, 8]);
    });

    test('by another run are looked at when the platform has told where they come from', () => {
      const facts = Facts.parse(JSON.parse(JSON.stringify(factsOf(live(active, withRepository).snapshot.context))));
      const toldOf = (tenantId: string): Step => ({ type: 'RepositoryTold', tenantId });

      expect(live([toldOf('1')], { facts }).snapshot.context.deploying).toBe('1');
      expect(live([toldOf('2')], { facts }).snapshot.context.deploying).toBeNull();
    });

    test('and were asked for when the agent was killed are looked at by the next run', () => {
      const asked = live([...active, artifact()], withRepository).snapshot.context;

      expect(
        live([], { facts: Facts.parse(JSON.parse(JSON.stringify(factsOf(asked)))) }).snapshot.context,
      ).toMatchObject({ deploying: '1', asked: ['1'] });
    });
  });

  describe('as releases', () => {
    const release = { isRelease: true, oldCommit: 'good' };
    const update = [
      ...toActive,
      artifact(),
      found(true, '1', release),
      passed('artifactUpdating'),
      done('placeArtifact'),
    ];
    const back = done('returnArtifact', { ...deployment, isRelease: true, commit: 'good', oldCommit: 'c0ffee' });

    test('prove themselves before they are accepted', () => {
      const proven = live([...update, passed('artifactUpdated'), done('proveArtifact')]);

      expect(live([...update, passed('artifactUpdated')]).snapshot.value).toMatchObject({
        artifacts: { deploying: 'proving' },
      });
      expect(proven.snapshot.value).toMatchObject({ artifacts: { deploying: 'accepting' } });
    });

    test.for([
      { summary: 'refused by a hook', end: [done('artifactUpdated', { kind: 'blocked', reason: 'bad', by: 'veto' })] },
      { summary: 'ports stay closed', end: [passed('artifactUpdated'), failed('proveArtifact', 'bad')] },
    ])('that do not work are taken back once, and people are told: $summary', ({ end }) => {
      const refused = live([...update, ...end]);
      const returned = live([...update, ...end, back, passed('artifactUpdated'), done('acceptArtifact')]);

      expect(refused.snapshot.value).toMatchObject({ artifacts: 'returning' });
      expect(returned.condition.condition).toBe('degraded');
      expect(returned.condition.message).toMatch(/^commit c0ffee was taken back: .*bad$/);
      expect(returned.snapshot.value).toMatchObject({ artifacts: 'idle' });
    });

    test('that were taken back are not tried again', () => {
      const warning = 'commit c0ffee was taken back: bad';

      const life = live([...toActive, artifact(), found(true, '1', { ...release, rejected: true, warning })]);

      expect(life.snapshot.value).toMatchObject({ artifacts: 'idle' });
      expect(life.condition).toEqual({ condition: 'degraded', message: warning });
    });
  });

  test('of a tenant that rests are looked at in time, however much is done for others meanwhile', () => {
    const shared = { multiTenant: true, hasRepository: true };
    const looked = failed('fetchArtifact', 'not there');
    const waiting = [...toServers, artifact('1'), looked, artifact('2'), looked, artifact('2'), artifact('3')];

    const busy = live([...waiting, rested, looked], shared);
    const next = live([...waiting, rested, looked, rested], shared);

    // The moment of tenant 2 began when that of tenant 1 was over.
    expect(live(waiting, shared).snapshot.context.deploying).toBe('3');
    expect(busy.snapshot.value).toMatchObject({ artifacts: 'idle', rests: 'resting' });
    expect(next.snapshot.context.deploying).toBe('2');
  });

  describe('of a tenant that leaves', () => {
    const left: Step = { type: 'SignUpRemoved', tenantId: '1' };
    const shared = { multiTenant: true, hasRepository: true };

    test('are removed in a multi-tenant service, also in the middle of an update', () => {
      for (const steps of [toServers, [...toServers, artifact()], toPlaced]) {
        const life = live([...steps, left], shared);

        expect(life.snapshot.value).toMatchObject({ artifacts: 'removing' });
        expect(factsOf(life.snapshot.context)).toMatchObject({ removals: ['1'], unsettled: null, deployed: [] });
        expect(live([...steps, left, done('removeArtifact')], shared).snapshot.value).toMatchObject({
          artifacts: 'idle',
        });
      }
    });

    test('stay in a single-tenant service, and are looked at no more until the tenant is back', () => {
      const active = [...toPlaced, passed('artifactUpdated'), rested, left, done('artifactInterval')];

      expect(live(active).snapshot.value).toMatchObject({ artifacts: 'idle' });
      expect(live([...active, artifact()]).snapshot.value).toMatchObject({ artifacts: { deploying: 'fetching' } });
    });
  });

  test('that do not arrive let Started be said again, as long as that is harmless', () => {
    const reminder = done('artifactReminder');

    const said = live([...toServers, told('Starting'), reminder, reminder], withRepository);
    const harmful = live([...toServers, told('Active'), reminder], withRepository);
    const busy = live([...toServers, told('Starting'), artifact(), reminder], withRepository);

    expect(said.decided).toEqual(Array.from({ length: 3 }, () => 'InstanceStartedEvent'));
    expect(harmful.decided).toEqual(['InstanceStartedEvent']);
    expect(busy.decided).toEqual(['InstanceStartedEvent']);
  });
});

describe('a gate', () => {
  test('that is closed holds the life and says why, until its cause changes', () => {
    const veto = done('startServers', { kind: 'blocked', reason: 'no licence' });

    const blocked = live([...toStarted, done('startedDelivery'), veto]);
    const again = live([...toStarted, done('startedDelivery'), veto, artifact()]);

    expect(blocked.path).toBe('started.startingServers.blocked');
    expect(blocked.condition).toEqual({ condition: 'blocked', message: 'startServers: no licence' });
    expect(again.path).toBe('started.startingServers.running');
  });

  describe('on the word of an operator', () => {
    const no = (gate: string) => done(gate, { kind: 'blocked', reason: 'no', by: 'veto' });
    const order = (type: string, gate: string): Step => ({ type, gate, reason: 'I know better' });
    const closed = [told('Initialized'), no('instanceStarting')];
    const refused = [...toServers, artifact(), found(), no('artifactUpdating'), rested];
    const vetoed = [...toPlaced, no('artifactUpdated'), rested];
    const withRepository = { hasRepository: true };

    test('is asked again, or skipped, and no other is', () => {
      expect(live([...closed, order('GateRetried', 'instanceStarting')]).path).toBe('initialized.starting.running');
      expect(live([...closed, order('GateSkipped', 'instanceStarting')]).path).toBe('started.announcing');
      expect(live([...closed, order('GateSkipped', 'startServers')]).path).toBe('initialized.starting.blocked');
      expect(live([told('Initialized'), order('GateSkipped', 'instanceStarting')]).decided).toEqual(
        wholeLife.slice(0, 1),
      );
    });

    test('an update it refused is looked at again, or placed all the same', () => {
      const again = live([...refused, order('GateRetried', 'artifactUpdating')], withRepository);
      const placing = live([...refused, order('GateSkipped', 'artifactUpdating'), found()], withRepository);

      expect(again.snapshot.value).toMatchObject({ artifacts: { deploying: 'fetching' } });
      expect(placing.snapshot.value).toMatchObject({ artifacts: { deploying: 'placing' } });
    });

    test('what it did not take note of counts as in place', () => {
      expect(live(vetoed, withRepository).path).toBe('started.waitingForArtifacts');
      expect(live([...vetoed, order('GateSkipped', 'artifactUpdated')], withRepository).path).toBe(
        'started.waitingForPorts',
      );
    });
  });

  test('that is held says what it waits for, until it is passed', () => {
    const held = { type: 'GateHeld', gate: 'startServers', reason: '3 connections open' };

    const waiting = live([...toStarted, done('startedDelivery'), held]);
    const passedOn = live([...toStarted, done('startedDelivery'), held, passed('startServers')]);

    expect(waiting.condition).toEqual({ condition: 'waiting', message: 'startServers: 3 connections open' });
    expect(passedOn.snapshot.context.notes).toEqual({});
  });

  test('that passed with a complaint leaves the instance degraded', () => {
    const complaint = done('startServers', { kind: 'passed', degraded: 'StartServers.sh exited with 3' });

    const { path, condition } = live([...toStarted, done('startedDelivery'), complaint]);

    expect(path).toBe('started.waitingForPorts');
    expect(condition).toEqual({ condition: 'degraded', message: 'startServers: StartServers.sh exited with 3' });
  });
});

describe('a notice about the agent itself', () => {
  test('is told as long as it holds, and changes nothing else', () => {
    const disk = (note: object | null): Step => ({ type: 'Noticed', about: 'journal', note });
    const full = { condition: 'degraded', text: 'disk full' };

    expect(live([...toActive, disk(full)]).condition).toEqual({ condition: 'degraded', message: 'disk full' });
    expect(live([...toActive, disk(full), disk(null)]).condition).toEqual({ condition: 'ok', message: '' });
    expect(live([...toActive, disk(full)]).path).toBe(live(toActive).path);
  });
});

describe('ports', () => {
  test('that stay closed block the instance, and are watched again after a pause or the next artifact', () => {
    const closed = [...toServers, failed('waitForPorts', 'port 80 is closed')];

    expect(live(closed).condition).toEqual({ condition: 'blocked', message: 'port 80 is closed' });
    expect(live([...closed, done('portsPause')]).path).toBe('started.waitingForPorts');
    expect(live([...closed, artifact()]).path).toBe('started.waitingForPorts');
    expect(live([...closed, done('portsPause'), done('waitForPorts')]).condition.condition).toBe('waiting');
  });
});

describe('the activation deadline', () => {
  test('gives up an instance that is not active in time, and no other', () => {
    const late = live([...toServers, done('activationDeadline')]);
    const active = live([...toActive, done('activationDeadline')]);
    const leaving = live([...toServers, cleanup, done('activationDeadline')]);

    expect(late.path).toBe('obsolete.flushing');
    expect(late.snapshot.context.gaveUp).toBe(true);
    expect(active.path).toBe('active.announcing');
    expect(leaving.path).toBe('pendingTermination.announcing');
  });
});

describe('an agent that was killed', () => {
  /** What the journal has after these steps. */
  const factsAfter = (steps: readonly Step[], input: Partial<LifecycleInput> = {}): Facts =>
    Facts.parse(JSON.parse(JSON.stringify(factsOf(live(steps, input).snapshot.context))));

  const gates = { lvsInterface: true, volumeMount: true };
  const restarts: { summary: string; steps: Step[]; input?: Partial<LifecycleInput>; told?: string; path: string }[] = [
    { summary: 'before anything', steps: [], path: 'created.joining' },
    { summary: 'in lvsInterface', steps: [], input: { gates }, path: 'created.virtualInterface.running' },
    { summary: 'after lvsInterface', steps: [passed('lvsInterface')], input: { gates }, path: 'created.joining' },
    {
      summary: 'in instanceStarting',
      steps: [told('Initialized')],
      told: 'Initialized',
      path: 'initialized.starting.running',
    },
    {
      summary: 'after volumeMount',
      steps: [passed('lvsInterface'), told('Initialized'), passed('volumeMount')],
      input: { gates },
      told: 'Initialized',
      path: 'initialized.starting.running',
    },
    { summary: 'with Started decided', steps: toStarted, path: 'started.announcing' },
    { summary: 'in startServers', steps: [...toStarted, done('startedDelivery')], path: 'started.announcing' },
    { summary: 'after Activated was decided', steps: toActive, path: 'active.announcing' },
    {
      summary: 'while the hooks were told that it is active',
      steps: [...toActive, done('activatedDelivery')],
      path: 'active.announcing',
    },
    {
      summary: 'while active',
      steps: [...toActive, done('activatedDelivery'), done('instanceActivated')],
      path: 'active.serving',
    },
    { summary: 'while leaving', steps: [...toActive, cleanup], path: 'pendingTermination.announcing' },
    {
      summary: 'after ReadyToShutdown was decided',
      steps: [...toActive, ...leave.slice(0, -1)],
      path: 'obsolete.flushing',
    },
  ];

  test.for(restarts)(
    '$summary goes on from there, and decides nothing again',
    ({ steps, input, told: status, path }) => {
      const facts = factsAfter(steps, input);

      const life = live(status === undefined ? [] : [told(status)], { ...input, facts });

      expect(life.path).toBe(path);
      expect(life.decided).toEqual([]);
    },
  );

  test('runs no finished start hook again, and counts the attempts of the one it was killed in', () => {
    const facts = factsAfter([...toStarted, done('startedDelivery'), passed('startServers'), done('waitForPorts')]);

    const { path, snapshot } = live([done('startedDelivery'), done('waitForPorts')], { facts });

    expect(path).toBe('started.activating.running');
    expect(snapshot.context.attempts).toEqual({ instanceActivating: 2 });
  });

  test('sends statistics at once when it was active, also while leaving', () => {
    for (const steps of [toActive, [...toActive, cleanup]]) {
      expect(live([], { facts: factsAfter(steps) }).snapshot.value).toMatchObject({ health: 'reporting' });
    }
  });

  test('places an interrupted deployment again, and runs an interrupted artifactUpdated again', () => {
    const input = { hasRepository: true };
    const fetched = [...toServers, artifact(), found(), passed('artifactUpdating')];

    const placing = live([], { ...input, facts: factsAfter(fetched, input) });
    const updated = live([], { ...input, facts: factsAfter([...fetched, done('placeArtifact')], input) });

    expect(placing.snapshot.value).toMatchObject({ artifacts: { deploying: 'placing' } });
    expect(updated.snapshot.value).toMatchObject({ artifacts: { deploying: { updated: 'running' } } });
    expect(updated.snapshot.context.attempts).toMatchObject({ artifactUpdated: 2 });
  });

  test('does not ask again about what was allowed, and could not be placed before its repository was known', () => {
    const input = { hasRepository: true };
    const allowed = factsAfter([...toServers, artifact(), found(), passed('artifactUpdating')], input);
    const unplaced = live([failed('placeArtifact', 'nobody has named it')], { ...input, facts: allowed });

    const again = live([artifact(), found()], { ...input, facts: factsOf(unplaced.snapshot.context) });

    expect(unplaced.snapshot.value).toMatchObject({ artifacts: 'idle' });
    expect(again.snapshot.value).toMatchObject({ artifacts: { deploying: 'placing' } });
  });

  test('lives the rest of the life with each event decided once', () => {
    const whole = [...toActive, done('activatedDelivery'), ...leave];
    for (let killedAfter = 0; killedAfter <= whole.length; killedAfter += 1) {
      const before = live(whole.slice(0, killedAfter));
      const rest = [told('Initialized'), done('startedDelivery'), ...whole];

      const after = live(rest, { facts: Facts.parse(JSON.parse(JSON.stringify(factsOf(before.snapshot.context)))) });

      expect([...before.decided, ...after.decided]).toEqual(wholeLife);
      expect(after.path).toBe('obsolete.ended');
    }
  });
});

describe('an event the platform did not act on', () => {
  const out: Step = { type: 'StatusOut', left: 0 };
  const due = done('acceptancePause');

  test.for([
    { summary: 'Started, still Initialized', steps: toServers, shows: 'Initialized', again: ['InstanceStartedEvent'] },
    { summary: 'Activated, still Starting', steps: toActive, shows: 'Starting', again: ['InstanceActivatedEvent'] },
    { summary: 'both, still Initialized', steps: toActive, shows: 'Initialized', again: wholeLife.slice(0, 2) },
    { summary: 'Maintenance, still Active', steps: [...toActive, cleanup], shows: 'Active', again: [wholeLife[2]] },
  ])('is said again when a complete topology shows it a minute later: $summary', ({ steps, shows, again }) => {
    const before = live(steps);

    expect(live([...steps, told(shows, true)]).decided).toEqual(before.decided);
    expect(live([...steps, out, due, told(shows)]).decided).toEqual(before.decided);
    expect(live([...steps, out, due, told(shows, true)]).decided).toEqual([...before.decided, ...again]);
    expect(live([...steps, out, due, told(shows, true), told(shows, true)]).decided).toEqual([
      ...before.decided,
      ...again,
    ]);
  });

  test('is not said again while it is still on its way: what the topology shows is older', () => {
    const isOnItsWay: Step = { type: 'StatusOut', left: 1 };

    expect(live([...toActive, due, told('Initialized', true)]).decided).toEqual(live(toActive).decided);
    expect(live([...toActive, out, due, isOnItsWay, told('Initialized', true)]).decided).toEqual(
      live(toActive).decided,
    );
  });

  test('is not said again when the topology shows that it was taken', () => {
    for (const [steps, shows] of [
      [toServers, 'Starting'],
      [toActive, 'Active'],
      [[...toActive, cleanup], 'In_Maintenance'],
    ] as const) {
      expect(live([...steps, out, due, told(shows, true)]).decided).toEqual(live([...steps]).decided);
    }
  });
});

describe('every way through the machine', () => {
  const gates = { lvsInterface: true, volumeMount: true };
  const paths = getShortestPaths(lifecycle, {
    input: { ...facts, hasRepository: true, multiTenant: true, gates },
    events: everyEvent() as never,
    // Where it is, without what it remembers: counters would make the ways endless.
    serializeState: ({ value, status, context: { unsettled } }) =>
      JSON.stringify([value, status, unsettled?.found.isRelease, unsettled?.returned]),
    limit: 200_000,
    // The end of an actor that does not run is nothing that happens.
    filterEvents: (state, event) => !('error' in event) || runs(state, event.type),
  });

  test('reaches every state there is', () => {
    const reached = new Set(paths.flatMap(({ state }) => pathsIn(state.value)));

    expect(leavesOf(lifecycle.root).filter((leaf) => !reached.has(leaf))).toEqual([]);
  });

  test('can be left by a cleanup, and then ends', () => {
    const stuck = paths.filter(({ state }) => {
      const end = leave.reduce((now, step) => transition(lifecycle, now, step as never)[0], state);
      return !end.hasTag('ended') && !state.hasTag('ended');
    });

    expect(stuck.map(({ state }) => state.value)).toEqual([]);
    expect(paths.length).toBeGreaterThan(40);
  });
});

function runs({ children }: Snapshot, eventType: string): boolean {
  return (children as Record<string, unknown>)[eventType.split('.').at(-1) ?? ''] !== undefined;
}

function everyEvent(): Step[] {
  const gates = [
    'lvsInterface',
    'volumeMount',
    'instanceStarting',
    'startServers',
    'artifactUpdating',
    'artifactUpdated',
    'instanceActivating',
  ];
  const actors = [
    'acceptancePause',
    'hurryBudget',
    'hurriedDrain',
    'drainBudget',
    'startedDelivery',
    'activatedDelivery',
    'instanceActivated',
    'maintenanceDelivery',
    'waitForPorts',
    'placeArtifact',
    'portsPause',
    'artifactPause',
    'artifactRest',
    'proveArtifact',
    'acceptArtifact',
    'removeArtifact',
    'artifactReminder',
    'activationDeadline',
    'terminationBudget',
    'flushOutbox',
  ];
  return [
    ...['Absent', 'Created', 'Initialized', 'Starting', 'Active', 'In_Maintenance'].map((status) => told(status, true)),
    artifact('1'),
    cleanup,
    { type: 'CleanupRequested', budgetMs: 8_000 },
    found(true),
    found(false),
    found(true, '1', { isRelease: true, oldCommit: 'good' }),
    { type: 'SignUpRemoved', tenantId: '1' },
    done('returnArtifact', { ...deployment, isRelease: true }),
    ...[...gates, 'drain', 'clean'].flatMap((gate) => [passed(gate), done(gate, { kind: 'blocked', reason: 'no' })]),
    ...actors.map((actor) => done(actor)),
    ...['fetchArtifact', 'placeArtifact', 'proveArtifact', 'waitForPorts'].map((actor) => failed(actor, 'no')),
  ];
}

/** `life.started.waitingForPorts`, one per region. */
function pathsIn(value: unknown, prefix: readonly string[] = []): string[] {
  if (typeof value === 'string') return [[...prefix, value].join('.')];
  return Object.entries(value as object).flatMap(([key, inner]) => pathsIn(inner, [...prefix, key]));
}

/** States nobody can be seen in, because they lead on at once, are left out. */
function leavesOf(node: typeof lifecycle.root): string[] {
  const children = Object.values(node.states) as (typeof lifecycle.root)[];
  if (children.length > 0) return children.flatMap(leavesOf);
  const passing = node.always?.some(({ guard }) => guard === undefined) ?? false;
  return passing ? [] : [node.path.join('.')];
}

/** Lets the machine live through `steps`: the states it entered, the events it decided, where it is. */
function live(steps: readonly Step[], input: Partial<LifecycleInput> = {}) {
  let [snapshot] = initialTransition(lifecycle, { ...facts, ...input });
  const states = [pathOf(snapshot).split('.')[0]];
  const decided: string[] = [];
  for (const step of steps) {
    const [next, actions] = transition(lifecycle, snapshot, step as Parameters<typeof transition<typeof lifecycle>>[2]);
    decided.push(
      ...actions.filter(({ type }) => type === 'decide').map(({ params }) => (params as { event: string }).event),
    );
    snapshot = next;
    const state = pathOf(snapshot).split('.')[0];
    if (states.at(-1) !== state) states.push(state);
  }
  const path = pathOf(snapshot);
  return { snapshot, states, decided, path, condition: conditionOf(path.split('.')[0] ?? '', snapshot.context.notes) };
}

/** `started.waitingForPorts`: where the life region is. */
function pathOf(snapshot: Snapshot): string {
  const path: string[] = [];
  let value: unknown = (snapshot.value as { life: unknown }).life;
  for (; typeof value === 'object' && value !== null; value = Object.values(value)[0])
    path.push(Object.keys(value)[0] ?? '');
  return [...path, String(value)].join('.');
}
