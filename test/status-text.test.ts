import { describe, expect, test } from 'vitest';
import { shown, shownExactly } from '../state/status/duration.ts';
import { statusFromJournal } from '../state/status/journaled.ts';
import { judge, type Known } from '../state/status/judge.ts';
import { statusText } from '../state/status/text.ts';
import { Status, type StatusWait } from '../state/status.ts';
import { provenance } from './support/provenance.ts';

const plain = { colour: false, width: 120 };
const url = 'mqtts://mb1.example.org:8883';
const up = {
  state: 'up',
  url,
  forMs: 60_000,
  rttMs: 3,
  sentCount: 4_876,
  failure: null,
  code: null,
  remedy: null,
} as const;
const lost = { ...up, state: 'down', rttMs: null, failure: 'ECONNREFUSED' } as const;
const nothing: Known = {
  state: 'started',
  waits: [],
  link: up,
  artifacts: [],
  ports: null,
  thrift: null,
  condition: { condition: 'ok', message: '' },
  notes: {},
};
const noWait: StatusWait = {
  about: 'startServers',
  waitsFor: 'the hooks of startServers',
  forMs: 3_000,
  longestMs: 65_000,
  endsInMs: null,
  overdue: false,
  code: 'STUCK_HOOK',
  remedy: 'Look at what they do.',
};
const active: Status = {
  schema: 'cartridge-agent.status/1',
  at: '2026-03-04T11:55:07.500Z',
  source: 'agent',
  ageMs: 0,
  instance: { memberId: 'php-1.php.domain', clusterId: 'php.domain', serviceName: 'php', applicationId: 'shop' },
  agent: { pid: 4711, version: '0.1.0', runId: 'run-1', startedAt: '2026-03-04T09:40:29.000Z', upForMs: 8_078_000 },
  state: 'active',
  step: 'serving',
  stateSince: '2026-03-04T09:41:07.000Z',
  stateForMs: 8_040_000,
  startTookMs: 38_200,
  condition: 'ok',
  why: ['ports 80 and 443 answered'],
  next: { who: 'nobody', what: 'nothing to do', more: [] },
  waits: [],
  link: up,
  outbox: { waitingCount: 0, events: [] },
  artifacts: [
    {
      tenantId: '1',
      stage: 'placed',
      repoUrl: 'https://git.example.org/shop.git',
      path: '/var/www',
      commit: '3f9c2ab5e0c4f1d2a3b4c5d6e7f8091a2b3c4d5e',
      changedAgoMs: 720_000,
      attempts: 0,
      failure: null,
      provenance: null,
      driftedFiles: null,
      progress: null,
    },
  ],
  ports: {
    host: 'localhost',
    wantedCount: 2,
    ports: [
      { port: 80, answers: true, reason: null, durationMs: 2, agoMs: 8_040_000 },
      { port: 443, answers: true, reason: null, durationMs: 2, agoMs: 8_040_000 },
    ],
  },
  health: { sentAgoMs: 6_100, loadPercent: 4.2, memoryPercent: 37 },
  thrift: null,
  hooks: [
    {
      hook: 'startServers',
      executable: 'startServers/10-php',
      attempt: 1,
      end: 'done',
      reason: null,
      durationMs: 812,
      agoMs: 8_050_000,
    },
    {
      hook: 'memberActivated',
      executable: 'memberActivated warm',
      attempt: 2,
      end: 'failed',
      reason: 'not done within its time limit',
      durationMs: 60_000,
      agoMs: 65_000,
    },
  ],
  recent: [{ at: '2026-03-03T09:52:11.100Z', event: 'artifact', text: 'placed 3f9c2ab (tenant 1)' }],
  problems: [],
};

describe('the text', () => {
  test('says all in its first line, then why, what comes next and the parts', () => {
    expect(Status.parse(active)).toEqual(active);
    expect(statusText(active, plain).split('\n')).toEqual([
      '● php-1.php.domain  active / ok  for 2 h 14 min   since 09:41:07Z, start took 38.2 s',
      '  why       ports 80 and 443 answered',
      '  next      nothing to do',
      '  link      up       mqtts://mb1.example.org:8883   rtt 3 ms   sent 4 876   waiting 0',
      '  artifact  placed   3f9c2ab   https://git.example.org/shop.git   12 min ago',
      '  ports     2 of 2   80 2 ms   443 2 ms   looked 2 h 14 min ago',
      '  health    sent 6 s ago   load 4 %   memory 37 %',
      '  hooks     startServers 10-php ok 812 ms   2 h 14 min ago',
      '            memberActivated warm failed 1 min   attempt 2   1 min 5 s ago   not done within its time limit',
      '  recent    2026-03-03 09:52:11Z  artifact  placed 3f9c2ab (tenant 1)',
      '',
    ]);
  });

  test('leaves out what there is nothing to say of', () => {
    const bare = {
      ...active,
      link: null,
      outbox: null,
      artifacts: [],
      ports: null,
      health: null,
      hooks: [],
      recent: [],
    };

    const labels = statusText(bare, plain).split('\n').slice(1, -1);

    expect(labels.map((line) => line.trim().split(' ')[0])).toEqual(['why', 'next']);
  });

  test.for([40, 60, 80])('wraps what is too long at %i columns, and cuts nothing', (width) => {
    const words = Array.from({ length: 60 }, (_, index) => `word${index}`);
    const long = { ...active, why: [`${words.join(' ')} ${'x'.repeat(200)} end`] };

    const text = statusText(long, { colour: false, width });

    const why = text.slice(text.indexOf('  why'), text.indexOf('  next')).split('\n').slice(0, -1);
    const tooLong = why.filter((line) => line.length > width).map((line) => line.trim());
    expect(tooLong).toEqual(['x'.repeat(200)]);
    expect(why.slice(1).every((line) => line.startsWith(' '.repeat(12)))).toBe(true);
    expect(why.join(' ').match(/\S+/g)).toEqual(['why', ...words, 'x'.repeat(200), 'end']);
  });

  test.for(['ok', 'waiting', 'blocked', 'degraded', 'lost', 'unknown'] as const)(
    'has a glyph, a word and a colour for %s',
    (condition) => {
      const grey = statusText({ ...active, condition }, plain).split('\n')[0] ?? '';
      const coloured = statusText({ ...active, condition }, { ...plain, colour: true }).split('\n')[0] ?? '';

      const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9]*m`, 'g');
      expect(grey).toMatch(new RegExp(`^[●◐▲◆✕○] php-1\\.php\\.domain {2}active / ${condition} `));
      expect(coloured.match(escapes)).toHaveLength(6);
      expect(coloured.replace(escapes, '')).toBe(grey);
    },
  );

  test('shows the reason of a closed port, of a lost link and of a failed artifact', () => {
    const [artifact] = active.artifacts;
    const failure = {
      message: 'git: Permission denied (publickey)',
      code: 'ARTIFACT_CLONE_FAILED',
      remedy: 'Give access.',
    };
    const sick: Status = {
      ...active,
      link: { ...lost, forMs: 71_000 },
      outbox: { waitingCount: 1, events: ['InstanceStartedEvent'] },
      ports: {
        host: 'localhost',
        wantedCount: 1,
        ports: [{ port: 80, answers: false, reason: 'connection refused', durationMs: 1, agoMs: 90 }],
      },
      artifacts: artifact === undefined ? [] : [{ ...artifact, stage: 'failed', commit: null, attempts: 4, failure }],
    };

    const text = statusText(sick, plain);

    expect(text).toContain(`  link      down     ${url}   for 1 min 11 s   ECONNREFUSED\n`);
    expect(text).toContain('  outbox    1 waiting   InstanceStartedEvent\n');
    expect(text).toContain('  ports     0 of 1   80 connection refused   looked 0 s ago\n');
    expect(text).toContain('  artifact  failed   https://git.example.org/shop.git   12 min ago   4 failed attempts\n');
  });
});

test('an agent of an earlier version is understood', () => {
  const { code: _code, remedy: _remedy, ...link } = up;

  expect(Status.parse({ ...active, link })).toEqual(active);
});

describe('the judgement', () => {
  test.for<{ summary: string; known: Partial<Known>; condition: string; why: string; who: string; what: RegExp }>([
    {
      summary: 'serves',
      known: { state: 'active' },
      condition: 'ok',
      why: 'serving',
      who: 'nobody',
      what: /^nothing to do$/,
    },
    {
      summary: 'waits for a hook',
      known: { condition: { condition: 'waiting', message: 'waits for hooks' }, waits: [noWait] },
      condition: 'waiting',
      why: 'waits for the hooks of startServers',
      who: 'agent',
      what: /^goes on by itself$/,
    },
    {
      summary: 'is held back by a hook',
      known: {
        condition: { condition: 'blocked', message: 'startServers: no licence' },
        notes: { startServers: { condition: 'blocked', text: 'startServers: no licence' } },
      },
      condition: 'blocked',
      why: 'startServers: no licence',
      who: 'person',
      what: /^a person: look at what startServers said .*; then `cartridge-agent gate retry startServers --reason TEXT`/,
    },
    {
      summary: 'is held back by a hook of an update, which is no fault of the repository',
      known: {
        condition: { condition: 'blocked', message: 'artifactUpdating: no licence' },
        notes: { 'artifacts of tenant 1': { condition: 'blocked', text: 'artifactUpdating: no licence' } },
      },
      condition: 'blocked',
      why: 'artifactUpdating: no licence',
      who: 'person',
      what: /^a person: look at what artifactUpdating said .*`cartridge-agent gate retry artifactUpdating --reason TEXT`/,
    },
    {
      summary: 'has closed ports',
      known: {
        condition: { condition: 'blocked', message: 'cannot reach localhost:80' },
        notes: { ports: { condition: 'blocked', text: 'cannot reach localhost:80' } },
        ports: {
          host: 'localhost',
          wantedCount: 1,
          ports: [{ port: 80, answers: false, reason: 'connection refused', durationMs: 1, agoMs: 0 }],
        },
      },
      condition: 'blocked',
      why: 'cannot reach localhost:80',
      who: 'person',
      what: /listen on port 80$/,
    },
    {
      summary: 'has lost the link',
      known: {
        state: 'active',
        link: lost,
      },
      condition: 'lost',
      why: `cannot reach the broker ${url}: ECONNREFUSED`,
      who: 'agent',
      what: /every broker of mb\.urls is tried/,
    },
    {
      summary: 'has lost the link for long',
      known: {
        state: 'active',
        condition: { condition: 'waiting', message: 'no broker can be used: of each the reason' },
        notes: { link: { condition: 'waiting', text: 'no broker can be used: of each the reason' } },
        link: lost,
      },
      condition: 'lost',
      why: 'no broker can be used: of each the reason',
      who: 'agent',
      what: /every broker of mb\.urls is tried/,
    },
    {
      summary: 'is not let in by the broker',
      known: {
        condition: { condition: 'blocked', message: 'cannot log in' },
        notes: { link: { condition: 'blocked', text: 'cannot log in' } },
        link: { ...lost, code: 'BROKER_LOGIN_REFUSED', remedy: 'Check user name and password.' },
      },
      condition: 'blocked',
      why: 'cannot log in',
      who: 'person',
      what: /^a person: check user name and password$/,
    },
    ...(['up', 'down'] as const).map((state) => ({
      summary: `shares its identity, link ${state}`,
      known: {
        state: 'active',
        condition: { condition: 'degraded' as const, message: 'another agent' },
        notes: { identity: { condition: 'degraded' as const, text: 'another agent' } },
        link: { ...lost, state },
      },
      condition: state === 'up' ? 'degraded' : 'lost',
      why: state === 'up' ? 'another agent' : `cannot reach the broker ${url}: ECONNREFUSED`,
      who: 'person',
      what: /^a person: stop one of the two agents/,
    })),
    {
      summary: 'cannot write its journal',
      known: {
        state: 'active',
        condition: { condition: 'degraded', message: 'state.dir cannot be written' },
        notes: { journal: { condition: 'degraded', text: 'state.dir cannot be written' } },
      },
      condition: 'degraded',
      why: 'state.dir cannot be written',
      who: 'person',
      what: /^a person: free space in state\.dir/,
    },
    {
      summary: 'is blocked, and has lost the link',
      known: {
        condition: { condition: 'blocked', message: 'no' },
        notes: { startServers: { condition: 'blocked', text: 'no' } },
        link: { ...lost, failure: null },
      },
      condition: 'blocked',
      why: 'no',
      who: 'person',
      what: /^a person: /,
    },
    {
      summary: 'is gone',
      known: { state: 'obsolete', condition: { condition: 'waiting', message: 'delivers what is left' } },
      condition: 'waiting',
      why: 'delivers what is left',
      who: 'nobody',
      what: /the instance is gone/,
    },
  ])('of an instance that $summary is $condition', ({ known, condition, why, who, what }) => {
    const judgement = judge({ ...nothing, ...known });

    expect(judgement).toMatchObject({ condition, next: { who, what: expect.stringMatching(what) } });
    expect(judgement.why[0]).toBe(why);
  });

  test('says when it is tried again, what to do about what takes too long, and when it is given up', () => {
    const waits = [
      { ...noWait, about: 'portsPause', endsInMs: 11_200, longestMs: 20_000 },
      { ...noWait, overdue: true },
      { ...noWait, about: 'activationDeadline', endsInMs: 60_000 },
    ];

    const { next } = judge({ ...nothing, condition: { condition: 'waiting', message: '' }, waits });

    expect(next.more).toEqual([
      'tried again in 12 s',
      'if it stays so: look at what they do [STUCK_HOOK]',
      'given up in 60 s, unless it is active by then',
    ]);
  });

  test('says what to do about a lost link if it stays so', () => {
    const link = { ...lost, code: 'BROKER_NOT_REACHED', remedy: 'See that the broker runs.' };

    expect(judge({ ...nothing, state: 'active', link }).next).toMatchObject({
      who: 'agent',
      more: ['if it stays so: see that the broker runs [BROKER_NOT_REACHED]'],
    });
  });

  test('says why the artifact failed, and the remedy of it', () => {
    const failure = { message: 'cannot clone: 403', code: 'CODE', remedy: 'Give this instance read access.' };
    const artifact = { tenantId: '7', stage: 'failed' as const, repoUrl: null, path: null, commit: null };
    const more = { provenance: null, driftedFiles: null, progress: null };
    const note = { condition: 'blocked' as const, text: 'cannot clone' };

    const known = {
      ...nothing,
      notes: { 'repository of tenant 7': note },
      artifacts: [{ ...artifact, ...more, changedAgoMs: 0, attempts: 4, failure }],
    };
    const blocked = judge({ ...known, condition: { condition: 'blocked', message: 'cannot clone' } });
    const waiting = judge({ ...known, condition: { condition: 'waiting', message: 'cannot clone' } });

    expect(blocked.why).toEqual(['cannot clone: 403']);
    expect(blocked.next).toMatchObject({ what: 'a person: give this instance read access', more: [] });
    expect(waiting.next.more).toEqual(['if it stays so: give this instance read access [CODE]']);
  });
});

test('shows where an artifact comes from, what others have changed of it, and when it is looked at again', () => {
  const [artifact] = active.artifacts;
  if (artifact === undefined) throw new Error('there is none');
  const { tenantId, commit, repoUrl } = artifact;
  const from = provenance({ tenantId, commit: commit ?? '', repoUrl });
  const look = {
    about: 'artifactInterval',
    waitsFor: 'the moment to look',
    forMs: 1_000,
    longestMs: null,
    endsInMs: 9_000,
  };
  const waits = [{ ...look, overdue: false, code: 'STUCK_PAUSE', remedy: '' }];
  const withArtifact = (more: object) =>
    statusText({ ...active, waits, artifacts: [{ ...artifact, provenance: from, ...more }] }, plain);

  expect(withArtifact({ driftedFiles: 0 })).toContain(
    '  artifact  clean   main 3f9c2ab "Fix login"   https://git.example.org/shop.git   12 min ago   next look in 9 s\n',
  );
  expect(withArtifact({ driftedFiles: 2 })).toContain('  artifact  drifted: 2 files   main 3f9c2ab');
  expect(withArtifact({ stage: 'wanted', progress: 'git: receiving objects 43 %' })).toContain(
    'git: receiving objects',
  );
});

describe('from the journal', () => {
  const at = '2026-03-04T12:00:00.000Z';
  const journal = {
    ...{ state: 'active', memberId: 'php-1', undelivered: [], ageMs: 180_000 },
    ...{ problems: [], artifacts: [], recent: [], hooks: [], notes: {}, stateForMs: null, gaveUp: false },
  };
  const down = { kind: 'down', reason: 'no agent answers' } as const;

  test('the status says so, with its age', () => {
    const status = statusFromJournal(
      { ...journal, undelivered: ['InstanceMaintenanceModeEvent'], problems: ['a torn tail was cut'] },
      { at, silence: down },
    );

    expect(Status.parse(status)).toEqual(status);
    expect(statusText(status, plain).split('\n')).toEqual([
      '✕ php-1  active / lost',
      '  why       no agent answers',
      '            this is what its journal says, last written 3 min ago',
      '  next      a person: start the agent',
      '            it goes on from there, and what hooks have started lives on meanwhile',
      '            1 status event is delivered then',
      '  outbox    1 waiting   InstanceMaintenanceModeEvent',
      '  problems  a torn tail was cut',
      '',
    ]);
  });

  test('the status says what its lines tell: since when, the gates, and what was wrong then', () => {
    const gate = { executable: null, attempt: 2, durationMs: null, agoMs: 190_000 };
    const status = statusFromJournal(
      {
        ...{ ...journal, state: 'started', stateForMs: 200_000 },
        notes: { startServers: { condition: 'blocked', text: 'startServers: no licence' } },
        hooks: [{ ...gate, hook: 'startServers', end: 'blocked', reason: 'no licence' }],
      },
      { at, silence: down },
    );

    expect(Status.parse(status)).toEqual(status);
    expect(status.stateSince).toBe('2026-03-04T11:56:40.000Z');
    expect(statusText(status, plain).split('\n')).toEqual([
      '✕ php-1  started / lost  for 3 min 20 s   since 11:56:40Z',
      '  why       no agent answers',
      '            this is what its journal says, last written 3 min ago',
      '            it was blocked then: startServers: no licence',
      '  next      a person: start the agent',
      '            it goes on from there, and what hooks have started lives on meanwhile',
      '  hooks     startServers blocked   attempt 2   3 min 10 s ago   no licence',
      '',
    ]);
  });

  test.for([
    { summary: 'in which nothing is known', known: { state: null }, condition: 'unknown' },
    { summary: 'of an instance that is gone', known: { state: 'obsolete' }, condition: 'ok' },
    {
      summary: 'of an instance that is gone, with something left to say',
      known: { state: 'obsolete', undelivered: ['InstanceReadyToShutdownEvent'] },
      condition: 'lost',
    },
    { summary: 'of an instance that was given up', known: { state: 'obsolete', gaveUp: true }, condition: 'blocked' },
    { summary: 'of unknown age', known: { ageMs: null }, condition: 'lost' },
  ])('$summary it is $condition', ({ known, condition }) => {
    const status = statusFromJournal({ ...journal, ...known }, { at, silence: down });

    expect(status.condition).toBe(condition);
    expect(Status.parse(status).next.what).not.toBe('');
    if (condition === 'unknown') expect(status.why).toEqual([down.reason, 'its journal says nothing of the instance']);
  });
});

test.for([
  { ms: 0, rough: '0 s', exact: '0 ms' },
  { ms: 812, rough: '0 s', exact: '812 ms' },
  { ms: 999.6, rough: '0 s', exact: '1 s' },
  { ms: 38_200, rough: '38 s', exact: '38.2 s' },
  { ms: 59_980, rough: '59 s', exact: '1 min' },
  { ms: 60_000, rough: '1 min', exact: '1 min' },
  { ms: 190_000, rough: '3 min 10 s', exact: '3 min 10 s' },
  { ms: 725_000, rough: '12 min', exact: '12 min' },
  { ms: 3_600_000, rough: '1 h', exact: '1 h' },
  { ms: 8_040_000, rough: '2 h 14 min', exact: '2 h 14 min' },
  { ms: 273_600_000, rough: '3 d 4 h', exact: '3 d 4 h' },
])('$ms ms is $rough, or $exact', ({ ms, rough, exact }) => {
  expect([shown(ms), shownExactly(ms)]).toEqual([rough, exact]);
});
