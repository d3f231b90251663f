import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'vitest';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { expect } from '../support/current-test.ts';
import { type GitServer, startGitServer, type TestRepository } from '../support/git-server.ts';
import { type Agent, type InstanceOptions, type Life, lifeTest } from '../support/life.ts';
import { statusOf } from '../support/status.ts';

const account = { user: 'deploy', password: 's3cret-P@ss' };
const updated = 'echo "updated $(cat $STRATOS_APPLICATION_PATH/index.html)" >> $TRACE';
const often = { 'artifact.update.interval': '200ms' };
const never = { 'enable.artifact.update': 'false' };

type Git = { readonly server: GitServer; readonly repository: TestRepository };

const test = lifeTest.extend<{ git: Git }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the parameter
  git: async ({}, use) => {
    await using server = await startGitServer();
    server.account = account;
    const repository = await server.createRepository('shop.git');
    await repository.commit({ 'index.html': 'first', 'config.php': 'a' });
    await use({ server, repository });
  },
});

describe.concurrent('an artifact that is in place', () => {
  test('is updated by itself, hooks are told, and a look that finds nothing tells nobody', async ({ life, git }) => {
    const { agent } = await serving(life, git, { conf: often, hooks: { 'ArtifactUpdatedEvent.sh': updated } });

    await git.repository.commit({ 'index.html': 'second' });
    await expect.poll(agent.trace).toEqual(['updated first', 'updated second']);
    await looks(git, 2);
    const lines = journalOf(life).length;
    await looks(git, 3);

    expect(agent.trace()).toEqual(['updated first', 'updated second']);
    expect(journalOf(life).length).toBe(lines);
  });

  test('is looked at twice at most in a storm of a hundred events', async ({ life, git }) => {
    const { agent, platform } = await serving(life, git, { conf: never });
    const before = fetchesOf(agent);

    await Promise.all(Array.from({ length: 100 }, () => platform.artifactUpdated()));
    await git.repository.commit({ 'index.html': 'after the storm' });
    await platform.artifactUpdated();
    await expect.poll(() => contentOf(life)).toBe('after the storm');

    expect(fetchesOf(agent) - before).toBeLessThanOrEqual(2);
  });

  test('has its changed files told once, in the log, to the hooks, and in the history', async ({ life, git }) => {
    const hooks = { 'artifactDrifted/10-tell': 'cat >> $TRACE' };
    const { agent } = await serving(life, git, { conf: often, hooks });

    await writeFile(join(life.applicationPath, 'config.php'), 'changed');
    await expect.poll(() => agent.trace().length).toBeGreaterThan(0);
    await looks(git, 5);

    expect(agent.trace().join()).toContain('"changedPaths":["config.php"]');
    expect(agent.lines.filter(({ event }) => event === 'artifact.drifted')).toHaveLength(1);
    expect(recordsOf(life)).toMatchObject([{ what: 'placed' }, { what: 'drifted', paths: ['config.php'] }]);
    expect(await readFile(join(life.applicationPath, 'config.php'), 'utf8')).toBe('changed');
  });

  test('has its changed files put back, if so wanted', async ({ life, git }) => {
    await serving(life, git, { conf: { ...often, 'artifact.drift': 'restore' } });

    await writeFile(join(life.applicationPath, 'config.php'), 'changed');

    await expect.poll(() => readFileSync(join(life.applicationPath, 'config.php'), 'utf8')).toBe('a');
  });

  test('has its changed files committed and pushed, if so wanted', async ({ life, git }) => {
    await serving(life, git, { conf: often, params: { COMMIT_ENABLED: 'true' } });

    await writeFile(join(life.applicationPath, 'upload.txt'), 'from here');

    await expect.poll(() => git.repository.git('show', 'HEAD:upload.txt').catch(() => '')).toBe('from here');
    const ours = (await git.repository.git('rev-parse', 'HEAD')).trim();
    await expect
      .poll(async () => (await statusOf(join(life.folder, 'state'))).artifacts?.[0]?.provenance)
      .toMatchObject({ what: 'committed', commit: ours, paths: ['upload.txt'] });
    await git.repository.commit({ 'index.html': 'from there', 'upload.txt': 'from here' });
    await expect.poll(() => contentOf(life)).toBe('from there');
    expect(readFileSync(join(life.applicationPath, 'upload.txt'), 'utf8')).toBe('from here');
  });

  test('is looked at again by an agent that was killed, though nobody sends its event again', async ({ life, git }) => {
    const first = await serving(life, git, { conf: never });
    git.server.mode = { kind: 'hang' };
    await git.repository.commit({ 'index.html': 'second' });
    await first.platform.artifactUpdated();
    await expect.poll(() => journalOf(life).join('\n')).toContain('"asked":["1"]');
    process.kill(first.agent.pid, 'SIGKILL');
    await first.agent.exited;
    git.server.mode = { kind: 'serve' };

    await life.agent(optionsFor(git, { conf: never }));

    await expect.poll(() => contentOf(life)).toBe('second');
    expect(journalOf(life).join('\n')).not.toContain(account.password);
  });
});

describe.concurrent('a first clone over which the agent was killed', () => {
  test('goes on at once, though nobody says again where a public repository is', async ({ life, git }) => {
    git.server.account = null;
    const { platform, options } = await killedInFirstClone(life, git, {});
    git.server.mode = { kind: 'serve' };

    await life.agent(options);
    await platform.waitFor('InstanceActivatedEvent');

    expect(contentOf(life)).toBe('first');
  });

  test('leaves nothing of it behind, though there is no time for another', async ({ life, git }) => {
    const { platform, options } = await killedInFirstClone(life, git, { repoUserName: account.user });
    const stagings = () => readdirSync(life.folder).filter((name) => name.startsWith('.cartridge-agent-'));
    expect(stagings()).toHaveLength(1);
    await platform.cleanupMember();

    const agent = await life.agent(options);

    expect(await agent.exited).toBe(0);
    expect(stagings()).toEqual([]);
  });
});

describe.concurrent('an event that cannot be used', () => {
  test('is told, and the repository that was named before is looked at as ever', async ({ life, git }) => {
    const { platform, agent } = await serving(life, git, { conf: often });

    await platform.publish('ArtifactUpdatedEvent', {
      clusterId: shop.clusterId,
      tenantId: String(shop.tenantId),
      repoURL: 'ext::sh -c true',
    });
    await agent.logged(({ event }) => event === 'artifact.failed');
    await git.repository.commit({ 'index.html': 'second' });

    await expect.poll(() => contentOf(life)).toBe('second');
    const { condition, why } = await statusOf(join(life.folder, 'state'));
    expect({ condition, why }).toMatchObject({
      condition: 'degraded',
      why: [expect.stringContaining('transport helper')],
    });
    await platform.artifactUpdated();
    await expect.poll(async () => (await statusOf(join(life.folder, 'state'))).condition).toBe('ok');
  });
});

describe.concurrent('an update that is refused', () => {
  test('by a failing script is told again with the next event, though nothing has changed', async ({ life, git }) => {
    const failing = `${updated}; [ -e $STRATOS_APPLICATION_PATH/../good ]`;
    const { agent, platform } = await serving(life, git, {
      conf: never,
      hooks: { 'ArtifactUpdatedEvent.sh': failing },
    });
    expect(agent.trace()).toEqual(['updated first']);

    await writeFile(join(life.folder, 'good'), '');
    await platform.artifactUpdated();
    await expect.poll(agent.trace).toEqual(['updated first', 'updated first']);
    await agent.logged(({ event, condition }) => event === 'lifecycle.condition' && condition === 'ok');
    const before = fetchesOf(agent);
    await platform.artifactUpdated();
    await expect.poll(() => fetchesOf(agent)).toBeGreaterThan(before);

    expect(agent.trace()).toEqual(['updated first', 'updated first']);
  });

  test('by a veto holds up until there is another commit', async ({ life, git }) => {
    const policy = 'grep -q bad $TRACE.next 2>/dev/null && echo \'{"veto":"not today"}\' >&3; true';
    const { agent } = await serving(life, git, { conf: often, hooks: { 'artifactUpdating/10-policy': policy } });
    await writeFile(join(life.folder, 'trace.next'), 'bad');

    await git.repository.commit({ 'index.html': 'second' });
    await agent.logged(({ event, condition }) => event === 'lifecycle.condition' && condition === 'blocked');
    await looks(git, 3);
    expect(contentOf(life)).toBe('first');
    await writeFile(join(life.folder, 'trace.next'), 'good');
    await git.repository.commit({ 'index.html': 'third' });

    await expect.poll(() => contentOf(life)).toBe('third');
  });
});

describe.concurrent('releases', () => {
  const conf = { ...often, 'artifact.layout': 'releases', 'artifact.verify.timeout': '1' };

  test('are switched, and one that is vetoed is taken back and not tried again', async ({ life, git }) => {
    const smoke = `${updated}; grep -q broken $STRATOS_APPLICATION_PATH/index.html && echo '{"veto":"broken"}' >&3; true`;
    const { agent } = await serving(life, git, { conf, hooks: { 'artifactUpdated/10-smoke': smoke } });

    const bad = await git.repository.commit({ 'index.html': 'broken' });
    await expect.poll(agent.trace).toEqual(['updated first', 'updated broken', 'updated first']);
    await looks(git, 3);

    expect(contentOf(life)).toBe('first');
    expect(agent.trace()).toHaveLength(3);
    expect(recordsOf(life).at(-1)).toMatchObject({ what: 'rolledBack', reason: 'artifactUpdated: broken' });
    const told = agent.lines.filter(({ event, level }) => event === 'artifact.fetched' && level === 'info');
    expect(told.map(({ commit }) => commit).filter((commit) => commit === bad)).toHaveLength(1);
    await git.repository.commit({ 'index.html': 'mended' });
    await expect.poll(() => contentOf(life)).toBe('mended');
    expect(readlinkSync(life.applicationPath)).toContain('.releases/');
  });

  test('after which the ports stay closed are taken back', async ({ life, git }) => {
    const port = await life.port();
    const service = await life.listen(port);
    const { agent } = await serving(life, git, { conf, params: { PORTS: String(port) } });
    await new Promise((resolve) => service.close(resolve));

    await git.repository.commit({ 'index.html': 'second' });
    await agent.logged(({ event }) => event === 'artifact.rolled-back');

    expect(contentOf(life)).toBe('first');
  });
});

describe.concurrent('a tenant that leaves', () => {
  const removed = (tenantId: number) => ({ applicationId: shop.applicationId, tenantId });

  test('of a multi-tenant service has its content removed, and what was there before put back', async ({
    life,
    git,
  }) => {
    const content = join(life.applicationPath, 'repository', 'tenants', String(shop.tenantId));
    await mkdir(content, { recursive: true });
    await writeFile(join(content, 'index.html'), 'before');
    const params = { MULTITENANT: 'true' };
    const conf = { ...often, 'enable.initial.artifact.backup': 'true' };
    const { platform } = await serving(life, git, { conf, params });
    expect(readFileSync(join(content, 'index.html'), 'utf8')).toBe('first');

    await platform.publish('ApplicationSignUpRemovedEvent', { ...removed(shop.tenantId), applicationId: 'other' });
    await platform.publish('ApplicationSignUpRemovedEvent', removed(77));
    await looks(git, 2);
    expect(readFileSync(join(content, 'index.html'), 'utf8')).toBe('first');
    await platform.publish('ApplicationSignUpRemovedEvent', removed(shop.tenantId));

    await expect.poll(() => readFileSync(join(content, 'index.html'), 'utf8')).toBe('before');
    expect(existsSync(`${content}_backup`)).toBe(false);
    const commit = await git.repository.git('rev-parse', 'main');
    const record = { what: 'removed', tenantId: String(shop.tenantId), commit };
    await expect.poll(() => recordsOf(life).at(-1)).toMatchObject(record);
  });

  test('of a single-tenant service leaves its document root, which is updated no more', async ({ life, git }) => {
    const { agent, platform } = await serving(life, git, { conf: often });

    await platform.publish('ApplicationSignUpRemovedEvent', removed(shop.tenantId));
    await expect.poll(() => journalOf(life).join('\n')).toContain(`"left":["${shop.tenantId}"]`);
    await git.repository.commit({ 'index.html': 'second' });
    const before = agent.lines.filter(({ event }) => event === 'message.received').length;
    for (let nth = 0; nth < 3; nth += 1) await platform.resync();
    await expect
      .poll(() => agent.lines.filter(({ event }) => event === 'message.received').length)
      .toBeGreaterThan(before);

    expect(contentOf(life)).toBe('first');
  });
});

/** Of a platform that lists no repositories: what its event says of this one is not said again. */
async function killedInFirstClone(life: Life, git: Git, credential: { readonly repoUserName?: string }) {
  git.server.mode = { kind: 'hang' };
  const { clusterId, tenantId } = shop;
  const platform = await life.platform({ members: [ownMember('Initialized')] });
  const options = optionsFor(git, { conf: never });
  const agent = await life.agent(options);
  await platform.waitFor('InstanceStartedEvent');
  const event = { clusterId, tenantId: String(tenantId), repoURL: git.repository.url, ...credential };
  await platform.publish('ArtifactUpdatedEvent', event);
  await expect.poll(() => git.server.requests.length).toBeGreaterThan(0);
  process.kill(agent.pid, 'SIGKILL');
  await agent.exited;
  return { platform, options };
}

/** An instance whose artifact is in place, and that is active. */
async function serving(life: Life, git: Git, options: InstanceOptions) {
  const seed = { clusterId: shop.clusterId, tenantId: shop.tenantId, url: git.repository.url };
  const login = { username: account.user, password: account.password };
  const platform = await life.platform({ members: [ownMember('Initialized')], repositories: [{ ...seed, ...login }] });
  const agent = await life.agent(optionsFor(git, options));
  await platform.waitFor('InstanceActivatedEvent');
  return { agent, platform };
}

function optionsFor({ repository }: Git, options: InstanceOptions): InstanceOptions {
  return { ...options, params: { REPO_URL: repository.url, ...options.params } };
}

/** Waits until the agent has asked the git server that many times more. */
async function looks({ server }: Git, times: number): Promise<void> {
  const before = server.requests.length;
  await expect.poll(() => server.requests.length).toBeGreaterThanOrEqual(before + 2 * times);
}

function fetchesOf({ lines }: Agent): number {
  return lines.filter(({ event }) => event === 'artifact.fetched').length;
}

function contentOf(life: Life): string {
  return readFileSync(join(life.applicationPath, 'index.html'), 'utf8');
}

function journalOf(life: Life): string[] {
  return readFileSync(join(life.folder, 'state', 'journal'), 'utf8')
    .split('\n')
    .slice(0, -1);
}

function recordsOf(life: Life): unknown[] {
  return journalOf(life)
    .map((line) => JSON.parse(line))
    .filter(({ kind }) => kind === 'artifact')
    .map(({ record }) => record);
}
