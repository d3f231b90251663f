import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'vitest';
import { ownMember, shop } from '../agent/demo/story.ts';
import { expect } from './support/current-test.ts';
import { startGitServer } from './support/git-server.ts';
import { type Agent, type Life, lifeTest as test } from './support/life.ts';
import { runStatus, statusOf } from './support/status.ts';

const password = 's3cret-P@ss';
const isBlocked = (agent: Agent) => agent.logged(({ condition }) => condition === 'blocked');
const veto = 'echo \'{"veto":"no licence"}\' >&3; exit 1';

describe.concurrent('the status of an instance', () => {
  test('that the platform does not know yet says what it waits for', async ({ life }) => {
    const platform = await life.platform();
    const agent = await life.agent({ params: { PORTS: '1' } });
    await agent.entered('created', AbortSignal.timeout(20_000));
    await platform.waitFor('CompleteTopologyRequestEvent');

    await expect.poll(async () => (await statusOf(state(life))).link?.state).toBe('up');
    const status = await statusOf(state(life));
    const { stdout } = await runStatus(['--state-dir', state(life)]);

    expect(status).toMatchObject({
      source: 'agent',
      ageMs: 0,
      instance: { memberId: shop.memberId, clusterId: shop.clusterId, serviceName: 'php', applicationId: 'shop-app' },
      agent: { pid: agent.pid },
      state: 'created',
      step: 'joining',
      startTookMs: null,
      condition: 'waiting',
      why: ['waits for the platform to list this member as Initialized'],
      next: { who: 'agent' },
      link: { url: `mqtt://127.0.0.1:${life.brokerPort}`, rttMs: expect.any(Number), failure: null },
      outbox: { waitingCount: 0 },
      ports: { wantedCount: 1, ports: [] },
      health: null,
      hooks: [],
    });
    const [first, why, next] = stdout.split('\n');
    expect(first).toMatch(/^◐ \S+ {2}created \/ waiting {2}for \d+ s {3}since \d\d:\d\d:\d\dZ$/);
    expect(why).toBe('  why       waits for the platform to list this member as Initialized');
    expect(next).toMatch(/^ {2}next {6}\S/);
  });

  test('that a hook holds back says which, why and whose turn it is', async ({ life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const agent = await life.agent({ hooks: { 'startServers/10-licence': veto } });
    await agent.logged(({ condition }) => condition === 'blocked');

    const status = await statusOf(state(life));
    const { stdout } = await runStatus(['--state-dir', state(life)]);

    expect(status).toMatchObject({
      state: 'started',
      step: 'startingServers',
      condition: 'blocked',
      why: [expect.stringContaining('no licence')],
      next: { who: 'person', what: expect.stringContaining('startServers') },
      hooks: [{ hook: 'startServers', executable: 'startServers/10-licence', end: 'veto', reason: 'no licence' }],
    });
    expect(stdout).toMatch(/^▲ \S+ {2}started \/ blocked /);
    expect(stdout).toMatch(/\n {2}hooks {5}startServers 10-licence veto \d+ ms {3}\d+ s ago {3}no licence\n/);
  });

  test('whose repository cannot be had says what git said, and when it is tried again', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    await repository.commit({ 'index.html': 'first' });
    server.mode = { kind: 'status', status: 403 };
    await life.platform({ members: [ownMember('Initialized')], repositories: [signUp(repository.url)] });
    const agent = await life.agent({ params: { REPO_URL: repository.url }, conf: { 'artifact.clone.interval': '60' } });
    await agent.logged(({ event, condition }) => event === 'lifecycle.condition' && condition === 'waiting');

    const failing = await statusOf(state(life));
    const text = await runStatus(['--state-dir', state(life)]);

    expect(failing).toMatchObject({
      condition: 'waiting',
      why: [expect.stringMatching(/^cannot clone .*403$/)],
      next: {
        what: 'goes on by itself',
        more: [
          expect.stringMatching(/^attempt 1 failed, tried again in \d+ s$/),
          expect.stringContaining('[ARTIFACT_CLONE_FAILED]'),
        ],
      },
      artifacts: [
        { tenantId: '1', stage: 'failed', attempts: 1, commit: null, failure: { code: 'ARTIFACT_CLONE_FAILED' } },
      ],
    });
    expect(text.stdout).toMatch(/\n {2}artifact {2}failed {3}\d+ s ago {3}1 failed attempt\n/);
  });

  test('tells what a look at the repository has found, and not each look that finds the same', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    const first = await repository.commit({ 'index.html': 'first' });
    const seed = { clusterId: shop.clusterId, tenantId: shop.tenantId, url: repository.url };
    const platform = await life.platform({ members: [ownMember('Initialized')], repositories: [seed] });
    await life.agent({ params: { REPO_URL: repository.url }, conf: { 'artifact.update.interval': '200ms' } });
    await platform.waitFor('InstanceActivatedEvent');
    const told = async () =>
      (await statusOf(state(life))).recent.flatMap(({ event, text }) => (event === 'artifact' ? [text] : []));

    await expect.poll(() => server.requests.length).toBeGreaterThan(12);
    server.mode = { kind: 'status', status: 500 };
    await expect.poll(async () => (await statusOf(state(life))).artifacts[0]?.attempts).toBeGreaterThan(1);
    server.mode = { kind: 'serve' };
    await expect.poll(async () => (await told()).at(-1)).toMatch(/^placed/);

    const placed = `placed ${first.slice(0, 7)} (tenant 1)`;
    const failed = expect.stringContaining('failed (tenant 1): cannot fetch');
    expect(await told()).toEqual(['wanted (tenant 1)', 'fetched (tenant 1)', placed, failed, placed]);
  });

  test('says nothing more of a tenant that left before it had anything', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    await repository.commit({ 'index.html': 'first' });
    const platform = await life.platform({
      members: [ownMember('Initialized')],
      repositories: [
        { clusterId: shop.clusterId, tenantId: 1, url: repository.url },
        { clusterId: shop.clusterId, tenantId: 5, url: `${server.url}/not-there.git` },
      ],
    });
    await life.agent({ params: { REPO_URL: repository.url, MULTITENANT: 'true' } });
    await platform.waitFor('InstanceActivatedEvent');
    const shown = async () =>
      (await statusOf(state(life))).artifacts.map(({ tenantId, stage }) => `${tenantId} ${stage}`);
    await expect.poll(async () => (await shown()).sort()).toEqual(['1 placed', '5 failed']);

    await platform.publish('ApplicationSignUpRemovedEvent', { applicationId: shop.applicationId, tenantId: 5 });

    await expect.poll(shown).toEqual(['1 placed']);
  });

  test('whose ports are closed names them; once active it says how it serves', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    const commit = await repository.commit({ 'index.html': 'first' });
    await life.platform({ members: [ownMember('Initialized')], repositories: [signUp(repository.url)] });
    const [open, closed] = [await life.port(), await life.port()];
    await life.listen(open);
    const agent = await life.agent({
      params: { REPO_URL: repository.url, PORTS: `${open}|${closed}` },
      conf: { 'port.check.timeout': '300' },
      hooks: { 'StartServers.sh': 'sleep 0.1' },
    });
    await agent.logged(({ condition }) => condition === 'blocked');

    const blocked = await statusOf(state(life));
    await life.listen(closed);
    const waited = await runStatus(['--state-dir', state(life), '--wait', 'active', '--timeout', '20s']);
    const active = await statusOf(state(life));

    expect(blocked).toMatchObject({
      condition: 'blocked',
      next: { who: 'person', what: expect.stringContaining(`listen on port ${closed}`) },
      ports: {
        host: '127.0.0.1',
        wantedCount: 2,
        ports: [
          { port: open, answers: true, reason: null },
          { port: closed, answers: false, reason: 'connection refused' },
        ],
      },
    });
    expect(waited).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^● \S+ {2}active \/ ok {2}for \d+ s .*start took/),
    });
    expect(active).toMatchObject({
      condition: 'ok',
      why: [`ports ${open} and ${closed} answered; 1 artifact in place`],
      next: { who: 'nobody', what: 'nothing to do' },
      startTookMs: expect.any(Number),
      artifacts: [{ stage: 'placed', commit, repoUrl: repository.url, path: life.applicationPath, attempts: 0 }],
      ports: { ports: [{ answers: true }, { answers: true }] },
      health: { loadPercent: expect.any(Number), memoryPercent: expect.any(Number) },
      hooks: [{ hook: 'startServers', end: 'done' }],
    });
    expect(active.recent.map(({ event, text }) => `${event} ${text}`)).toContain('delivered InstanceActivatedEvent');
  });

  test('without a broker says that, and which', async ({ life }) => {
    const port = await life.port();
    const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${port}` } });
    await agent.logged(({ event }) => event === 'broker.failed');

    const status = await statusOf(state(life));

    expect(status).toMatchObject({
      state: 'created',
      condition: 'lost',
      link: {
        state: 'down',
        url: `mqtt://127.0.0.1:${port}`,
        rttMs: null,
        failure: expect.stringContaining('ECONNREFUSED'),
      },
      next: { who: 'agent' },
    });
    expect(status.why[0]).toBe(`cannot reach the broker mqtt://127.0.0.1:${port}: ${status.link?.failure}`);
  });

  test('whose agent was killed comes from the journal, with its age; the next agent takes over', async ({ life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const first = await life.agent();
    await first.entered('active', AbortSignal.timeout(20_000));
    await first.logged(({ event, status }) => event === 'status.published' && status === 'InstanceActivatedEvent');

    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    const before = readFileSync(join(state(life), 'journal'));
    const dead = await statusOf(state(life));
    const text = await runStatus(['--state-dir', state(life), '--assert', 'condition=ok']);
    const after = readFileSync(join(state(life), 'journal'));
    const second = await life.agent();
    await second.entered('active', AbortSignal.timeout(20_000));
    const alive = await statusOf(state(life));

    expect(dead).toMatchObject({
      source: 'journal',
      ageMs: expect.any(Number),
      instance: { memberId: shop.memberId },
      agent: null,
      state: 'active',
      condition: 'lost',
      next: { who: 'person', what: 'a person: start the agent' },
      outbox: { waitingCount: 0, events: [] },
    });
    expect(dead.ageMs).toBeLessThan(60_000);
    expect(dead.stateForMs).toBeLessThan(60_000);
    expect(text).toMatchObject({ code: 1, stderr: 'condition is lost, not ok\n' });
    expect(text.stdout).toMatch(
      /^✕ \S+ {2}active \/ lost {2}for \d+ s {3}since \S+Z\n {2}why {7}no agent answers\n.* last written \d+ s ago\n/,
    );
    expect(after.equals(before)).toBe(true);
    expect(alive).toMatchObject({ source: 'agent', agent: { pid: second.pid }, state: 'active', stateForMs: null });
  });

  test.for([
    {
      summary: 'blocked by a hook',
      options: { hooks: { 'startServers/10-licence': veto } },
      until: isBlocked,
      why: 'it was blocked then: startServers: no licence',
      hook: { executable: 'startServers/10-licence', end: 'veto', reason: 'no licence', attempt: 1 },
    },
    {
      summary: 'degraded by a hook',
      options: { hooks: { 'StartServers.sh': 'echo disk is full >&2; exit 1' }, params: { PORTS: '1' } },
      until: isBlocked,
      why: 'it was degraded then: startServers: StartServers.sh: exit code 1: disk is full',
      hook: { executable: null, end: 'passed', reason: 'StartServers.sh: exit code 1: disk is full' },
    },
    {
      summary: 'waiting for ports',
      options: { params: { PORTS: '1' } },
      until: isBlocked,
      why: expect.stringMatching(/^it was blocked then: .*\b1\b/),
      hook: { end: 'passed', reason: null, durationMs: expect.any(Number) },
    },
    {
      summary: 'at a hook',
      options: { hooks: { 'startServers/10-first': 'true', 'startServers/20-slow': 'echo slow >> $TRACE; sleep 60' } },
      until: (agent: Agent) => expect.poll(() => agent.trace(), { timeout: 10_000 }).toEqual(['slow']),
      why: 'it was waiting then: startServers had begun, attempt 1, and not ended',
      hook: { executable: 'startServers/10-first', end: 'done', attempt: 1 },
    },
  ])(
    'whose agent was killed while it was $summary is told by its journal',
    async ({ options, ...expected }, { life }) => {
      await life.platform({ members: [ownMember('Initialized')] });
      const agent = await life.agent({ ...options, conf: { 'port.check.timeout': '1' } });
      await expected.until(agent);

      process.kill(agent.pid, 'SIGKILL');
      await agent.exited;
      const dead = await statusOf(state(life));

      expect(dead).toMatchObject({ source: 'journal', state: 'started', condition: 'lost' });
      expect(dead.why).toContainEqual(expected.why);
      expect(dead.hooks.filter(({ hook }) => hook === 'startServers')).toMatchObject([expected.hook]);
    },
  );

  test("that is gone is nobody's business any more", async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent();
    await agent.entered('active', AbortSignal.timeout(20_000));
    await platform.cleanupMember();
    await agent.exited;

    const status = await statusOf(state(life));

    expect(status).toMatchObject({ source: 'journal', state: 'obsolete', condition: 'ok', next: { who: 'nobody' } });
  });

  test('that was given up says so, and so does the agent that is started again', async ({ life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const options = { params: { PORTS: '1' }, conf: { 'activation.deadline': '3s', 'port.check.timeout': '1' } };
    const first = await life.agent(options);
    const codes = [await first.exited];
    const before = await statusOf(state(life));
    const second = await life.agent(options);
    codes.push(await second.exited);
    const after = await statusOf(state(life));

    expect(codes).toEqual([1, 0]);
    expect(second.lines.find(({ event }) => event === 'agent.ended')).toMatchObject({
      gaveUp: true,
      msg: 'instance was given up earlier, agent ends',
    });
    for (const status of [before, after])
      expect(status).toMatchObject({
        ...{ state: 'obsolete', condition: 'blocked', next: { who: 'person' } },
        why: [
          expect.stringContaining('given up'),
          expect.anything(),
          expect.stringMatching(/blocked then: .*127\.0\.0\.1:1\b/),
        ],
      });
  });

  test('tells no secret, however it got in', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    await repository.commit({ 'index.html': 'first' });
    server.account = { user: 'deploy', password: 'another' };
    const url = repository.url.replace('://', `://deploy:${password}@`);
    await life.platform({
      members: [ownMember('Initialized')],
      repositories: [{ ...signUp(url), username: 'deploy', password }],
    });
    const says =
      'printf \'{"veto":"key %s token %s"}\\n\' "$STRATOS_CARTRIDGE_KEY" "$STRATOS_TOKEN" >&3; env >&2; exit 1';
    const agent = await life.agent({
      params: { REPO_URL: repository.url, TOKEN: 'token-0815' },
      conf: { 'extensions.pass.secrets': 'true', 'mb.username': 'php', 'mb.password': 'broker-0815' },
      hooks: { 'completeTopology/10-says': says },
    });
    await agent.logged(({ event, hook }) => event === 'hook.ran' && hook === 'completeTopology');
    await agent.logged(({ event }) => event === 'artifact.failed');

    const [json, text] = [
      await runStatus(['--state-dir', state(life), '--json']),
      await runStatus(['--state-dir', state(life)]),
    ];

    const secrets = [password, encodeURIComponent(password), shop.cartridgeKey, 'token-0815', 'broker-0815'];
    const printed = json.stdout + text.stdout + json.stderr + text.stderr;
    const { artifacts, hooks } = JSON.parse(json.stdout);
    expect(artifacts).toMatchObject([{ stage: 'failed' }]);
    expect(hooks).toMatchObject([{ end: 'veto', reason: 'key [redacted] token [redacted]' }]);
    expect(secrets.filter((secret) => printed.includes(secret))).toEqual([]);
  });
});

describe.concurrent('a stuck state', () => {
  test('is told in the log, in the condition and by status, and no longer once it goes on', async ({ life }) => {
    await life.platform({ members: [ownMember('Initialized')] });
    const slow = 'echo run >> $TRACE; [ -e $0.ready ] || exit 1';
    const agent = await life.agent({ conf: { 'hook.timeout': '300ms' }, hooks: { 'startServers/10-slow': slow } });

    const stuck = await agent.logged(({ event }) => event === 'lifecycle.stuck');
    const told = await agent.logged(({ event, message }) => event === 'lifecycle.condition' && message !== '');
    const status = await statusOf(state(life));
    await writeFile(join(life.folder, 'extensions/startServers/10-slow.ready'), '');
    await agent.logged(({ event }) => event === 'lifecycle.unstuck');
    await agent.entered('active', AbortSignal.timeout(20_000));
    const after = await statusOf(state(life));

    const waitsFor = 'the hooks of startServers';
    expect(stuck).toMatchObject({
      level: 'warn',
      waitsFor,
      longestMs: 5_300,
      code: 'STUCK_HOOK',
      since: expect.any(String),
      remedy: expect.any(String),
    });
    expect(told).toMatchObject({
      condition: 'waiting',
      message: expect.stringContaining(`waits for ${waitsFor}, longer than`),
    });
    expect(status).toMatchObject({
      condition: 'waiting',
      why: [expect.stringContaining(waitsFor)],
      next: { more: [expect.stringMatching(/^if it stays so: .*\[STUCK_HOOK\]$/)] },
      hooks: [{ executable: 'startServers/10-slow', end: 'failed' }],
    });
    expect(status.waits).toContainEqual(expect.objectContaining({ about: 'startServers', overdue: true }));
    expect(after).toMatchObject({ condition: 'ok', state: 'active' });
  });
});

function state(life: Life): string {
  return join(life.folder, 'state');
}

function signUp(url: string) {
  return { clusterId: shop.clusterId, tenantId: shop.tenantId, url };
}
