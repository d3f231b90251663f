import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe } from 'vitest';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { expect } from '../support/current-test.ts';
import { processesIn } from '../support/hooks.ts';
import { type Agent, type Life, lifeTest, statusEvents } from '../support/life.ts';
import { pluginText } from '../support/plugins.ts';
import { statusOf } from '../support/status.ts';

const soon = () => AbortSignal.timeout(20_000);
const repository = {
  clusterId: shop.clusterId,
  tenantId: shop.tenantId,
  url: 'svn://svn.example.org/shop/trunk',
  username: 'deploy',
  password: 's3cret-P@ss',
};

describe.concurrent('an agent with plugins', () => {
  lifeTest('lives a whole life with one that is at every gate, and brings the artifacts', async ({ life }) => {
    await putPlugin(life, 'php-server', wholeLife);
    await configure(life, { 'php-server': { trace: join(life.folder, 'trace'), holds: '2' } });
    const platform = await life.platform({ members: [ownMember('Initialized')], repositories: [repository] });

    const agent = await life.agent({ params: { REPO_URL: repository.url, TOKEN: 'token-0815' } });
    const blocked = await agent.logged(({ condition }) => condition === 'blocked');
    await writeFile(join(life.folder, 'licence'), '');
    await platform.artifactUpdated();
    await platform.waitFor('InstanceActivatedEvent');
    const measured = await platform.waitFor(
      'HealthStatisticsEvent',
      ({ body }) => body['healthDescription'] === 'requests',
    );
    const status = await statusOf(join(life.folder, 'state'));
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(blocked).toMatchObject({ state: 'started', message: expect.stringContaining('no licence') });
    expect(agent.trace()).toEqual([
      'instanceStarting initialized 1',
      ...['startServers started 1', 'startServers started 2', 'startServers started 3'],
      `fetch ${repository.url} deploy/11`,
      'artifactUpdating r1 [] page.html',
      'place r1',
      'artifactUpdated r1 [page.html] page.html',
      ...['instanceActivating no', 'instanceActivating yes'],
      'instanceActivated active',
      'drain',
      `clean token ${'token-0815'.length}`,
    ]);
    expect(readFileSync(join(life.applicationPath, 'page.html'), 'utf8')).toBe('r1');
    expect(measured.body).toMatchObject({ value: 7 });
    expect(status).toMatchObject({ condition: 'ok', artifacts: [{ commit: 'r1' }] });
    expect(status.hooks.map(({ executable, end }) => `${executable} ${end}`)).toEqual(
      expect.arrayContaining(['startServers php-server done', 'instanceActivated php-server done']),
    );
    const log = readFileSync(join(life.folder, 'agent.log'), 'utf8');
    expect(log).not.toMatch(/s3cret-P@ss|token-0815/);
  });

  lifeTest(
    'puts another version in place when there is one, and knows after a restart which one is',
    async ({ life }) => {
      await putPlugin(life, 'svn', versions(join(life.folder, 'version'), join(life.folder, 'trace')));
      await writeFile(join(life.folder, 'version'), 'r1');
      const platform = await life.platform({ members: [ownMember('Initialized')], repositories: [repository] });
      const options = { params: { REPO_URL: repository.url }, conf: { 'artifact.clone.interval': '1' } };
      const first = await life.agent(options);
      await platform.waitFor('InstanceActivatedEvent');
      process.kill(first.pid, 'SIGKILL');
      await first.exited;

      const agent = await life.agent(options);
      await agent.entered('active', soon());
      await platform.artifactUpdated();
      await agent.logged(({ event, changed }) => event === 'artifact.fetched' && changed === false);
      await writeFile(join(life.folder, 'version'), 'r2');
      await platform.artifactUpdated();
      await agent.logged(({ event, commit }) => event === 'artifact.placed' && commit === 'r2');

      expect([...new Set(agent.trace())]).toEqual(['null r1', 'place r1', 'r1 r1', 'r1 r2', 'place r2']);
      await platform.cleanupMember();
      expect(await agent.exited).toBe(0);
    },
  );

  lifeTest('leaves nothing to git that a plugin has placed, if that cannot be loaded any more', async ({ life }) => {
    await putPlugin(
      life,
      'svn',
      versions(join(life.folder, 'version'), join(life.folder, 'trace'), life.applicationPath),
    );
    await writeFile(join(life.folder, 'version'), 'r1');
    const url = 'http://127.0.0.1:1/shop.git';
    const platform = await life.platform({
      members: [ownMember('Initialized')],
      repositories: [{ ...repository, url }],
    });
    const options = { params: { REPO_URL: url }, conf: { 'artifact.clone.interval': '1' } };
    const first = await life.agent(options);
    await platform.waitFor('InstanceActivatedEvent');
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    await put(life, 'svn.ts', 'export default {{{');

    const agent = await life.agent(options);
    await agent.entered('active', soon());
    await platform.artifactUpdated();
    const failed = await agent.logged(({ event }) => event === 'artifact.failed');
    const { condition, why } = await statusOf(join(life.folder, 'state'));
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(failed).toMatchObject({
      code: 'PLUGIN_CHECKOUT_LOST',
      remedy: expect.stringContaining('Correct the plugin'),
    });
    expect({ condition, why: why.join() }).toEqual({
      condition: 'degraded',
      why: expect.stringMatching(/cannot leave .* to git, which has not placed it: cannot load plugin svn: /),
    });
    expect(readFileSync(join(life.applicationPath, 'page.html'), 'utf8')).toBe('r1');
  });

  lifeTest(
    'that is killed while a hook of one runs says so, ends what is left of it and runs it again',
    async ({ life }) => {
      const marker = join(life.folder, 'marker');
      await putPlugin(life, 'slow', {
        before: `const marker = '${marker}';`,
        body: `hooks: { startServers: async ({ attempt, exec, log }) => {
        log.info({ attempt }, 'begins');
        if (attempt === 1) await exec('sh', ['-c', 'echo $$ > ${marker}.pid; while :; do sleep 0.05; done', marker]);
      } },`,
      });
      await restarted(life, async (first) => {
        await expect.poll(() => existsSync(`${marker}.pid`)).toBe(true);
        process.kill(first.pid, 'SIGKILL');
      });
      await expect.poll(() => processesIn(marker)).toEqual([]);
    },
  );

  lifeTest('that one kills with itself says so, and runs it again', async ({ life }) => {
    const body = `hooks: { startServers: async ({ attempt }) => { if (attempt === 1) process.kill(process.pid, 'SIGKILL'); } },`;
    await putPlugin(life, 'slow', { body });
    await restarted(life);
  });

  lifeTest('ends with 78, and all that is wrong, before anybody hears of it', async ({ life }) => {
    const checkout = `checkout: { fetch: async () => ({ newCommit: '1' }), place: async () => {} },`;
    await putPlugin(life, 'git-one', { body: checkout });
    await putPlugin(life, 'git-two', { body: checkout });
    await putPlugin(life, 'ports', { body: 'options: z.strictObject({ port: z.number() }),' });
    await putPlugin(life, 'first', { body: `hooks: { clean: { run() {}, before: ['second'] } },` });
    await putPlugin(life, 'second', { body: `hooks: { clean: { run() {}, before: ['first'] } },` });
    await put(life, 'old.js', `export default { name: 'old', contract: 2 };`);
    await configure(life, { ports: { port: 'many' }, 'git-tow': {} });

    const agent = await life.agent({
      conf: { 'artifact.verify': 'signed-commit', 'artifact.verify.signers': 'agent.conf' },
    });

    expect(await agent.exited).toBe(78);
    const said = readFileSync(join(life.folder, 'agent.log'), 'utf8');
    for (const wrong of [
      'cannot use the configuration: 6 problems',
      `agent.conf: [plugin ports]: cannot use plugin ports: port: Invalid input: expected number, received string`,
      'Correct section [plugin ports] of agent.conf.',
      'cannot find plugin git-tow, did you mean git-two?',
      'cannot use plugin old: contract: this agent knows contract 1, the plugin is written for 2',
      'In the plugin, write contract: 1 once it keeps to that, or install an agent that knows 2.',
      'cannot use more than one plugin taking over checkout: git-one, git-two',
      'cannot order what is run for clean: first before second before first',
      'artifact.verify: cannot be kept: plugin git-one has taken over checkout from git',
    ])
      expect(said).toContain(wrong);
    expect(agent.lines.some(({ event }) => event === 'broker.connected')).toBe(false);
  });

  lifeTest('lives on with those that are broken, and says which', async ({ life }) => {
    await put(life, 'syntax.ts', 'export default {{{');
    await put(life, 'looping.js', 'for (;;);');
    await putPlugin(life, 'hostile', {
      body: `hooks: {
        startServers: { run: () => { for (;;); }, mode: 'audit' },
        memberActivated: () => process.exit(1),
        instanceActivated: () => { throw new Error('never mind'); },
        drain: async () => { await new Promise(() => {}); },
        clean: () => ({ veto: 'never' }),
      },`,
    });
    const platform = await life.platform({ members: [ownMember('Initialized')] });

    const agent = await life.agent({ conf: { 'hook.timeout': '1', 'termination.budget': '3' } });
    await platform.waitFor('InstanceActivatedEvent');
    await expect
      .poll(async () => (await statusOf(join(life.folder, 'state'))).hooks.map(({ executable }) => executable))
      .toContain('instanceActivated hostile');
    const status = await statusOf(join(life.folder, 'state'));
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual([
      'InstanceStartedEvent',
      'InstanceActivatedEvent',
      'InstanceMaintenanceModeEvent',
      'InstanceReadyToShutdownEvent',
    ]);
    expect(status.condition).toBe('degraded');
    expect(status.why.join()).toMatch(
      /cannot load plugin looping: .*cannot load plugin syntax|cannot load plugin syntax: .*cannot load plugin looping/s,
    );
    expect(status.hooks).toContainEqual(
      expect.objectContaining({
        executable: 'startServers hostile',
        reason: expect.stringContaining('would have failed'),
      }),
    );
  });
});

type PluginParts = { readonly body: string; readonly before?: string };

const wholeLife: PluginParts = {
  before: `
    import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
    import { dirname, join } from 'node:path';
    const filesIn = (path: string) => (existsSync(path) ? readdirSync(path).join() : '');`,
  body: `
    options: z.strictObject({ trace: z.string(), holds: z.number() }),
    hooks: {
      instanceStarting: ({ options, instance, attempt }) => say(options, 'instanceStarting', instance.state, attempt),
      startServers: ({ options, instance, attempt }) => {
        say(options, 'startServers', instance.state, attempt);
        if (attempt <= options.holds) return { hold: 'the database is not there', retryAfterMs: 100 };
      },
      artifactUpdating: ({ options }, { newCommit, changedPaths, path }) =>
        say(options, 'artifactUpdating', newCommit, '[' + filesIn(path) + ']', changedPaths.join()),
      artifactUpdated: ({ options }, { newCommit, changedPaths, path }) =>
        say(options, 'artifactUpdated', newCommit, '[' + filesIn(path) + ']', changedPaths.join()),
      instanceActivating: ({ options }) => {
        const isLicensed = existsSync(join(dirname(options.trace), 'licence'));
        say(options, 'instanceActivating', isLicensed ? 'yes' : 'no');
        if (!isLicensed) return { veto: 'no licence' };
      },
      instanceActivated: ({ options, instance }) => say(options, 'instanceActivated', instance.state),
      drain: ({ options }) => say(options, 'drain'),
      clean: async ({ options, readSecret, log }) => {
        const token = await readSecret('TOKEN');
        log.info('the token is ' + token);
        say(options, 'clean token', token?.length);
      },
    },
    health: async () => ({ requests: 7 }),
    checkout: {
      async fetch({ options }, { repoUrl, credential, oldCommit }) {
        if (oldCommit === null) say(options, 'fetch', repoUrl, credential?.userName + '/' + credential?.password.reveal().length);
        return { newCommit: 'r1', changedPaths: ['page.html'], subject: 'first' };
      },
      async place({ options }, { path, newCommit }) {
        say(options, 'place', newCommit);
        mkdirSync(path, { recursive: true });
        writeFileSync(join(path, 'page.html'), newCommit);
      },
    },
  });
  function say({ trace }: { trace: string }, ...words: unknown[]): void {
    appendFileSync(trace, words.join(' ').trim() + '\\n');
  }
  void ({`,
};

function versions(version: string, trace: string, path?: string): PluginParts {
  const write =
    path === undefined
      ? ''
      : `mkdirSync('${path}', { recursive: true }); writeFileSync('${path}/page.html', newCommit);`;
  return {
    before: `import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'; const say = (line: string) => appendFileSync('${trace}', line + '\\n');`,
    body: `checkout: {
      async fetch(_context, { oldCommit }) {
        const newCommit = readFileSync('${version}', 'utf8');
        say(oldCommit + ' ' + newCommit);
        return { newCommit, changedPaths: ['page.html'] };
      },
      async place(_context, { newCommit }) { say('place ' + newCommit); ${write} },
    },`,
  };
}

/** An instance whose agent dies in `startServers`, and what the next one says of it. */
async function restarted(life: Life, kill: (first: Agent) => Promise<void> = async () => {}): Promise<void> {
  const platform = await life.platform({ members: [ownMember('Initialized')] });
  const first = await life.agent();
  await kill(first);
  await first.exited;

  const agent = await life.agent();
  const said = await agent.logged(({ event, hook }) => event === 'hook.interrupted' && hook === 'startServers');
  await platform.waitFor('InstanceActivatedEvent');
  await platform.cleanupMember();

  expect(await agent.exited).toBe(0);
  expect(said).toMatchObject({ executable: 'startServers slow', attempt: 1 });
  expect(agent.lines).toContainEqual(
    expect.objectContaining({ event: 'hook.ran', hook: 'startServers', attempt: 2, end: 'done' }),
  );
  expect(statusEvents(platform.heard).filter((event) => event === 'InstanceStartedEvent')).toHaveLength(1);
}

function putPlugin(life: Life, name: string, { body, before = '' }: PluginParts): Promise<void> {
  return put(life, `${name}.ts`, pluginText(name, body, before));
}

async function put(life: Life, name: string, text: string): Promise<void> {
  const path = join(life.folder, 'plugins', name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** Sections `[plugin NAME]`, in a file of conf.d. */
async function configure(
  life: Life,
  sections: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Promise<void> {
  const lines = Object.entries(sections).flatMap(([name, options]) => [
    `[plugin ${name}]`,
    ...Object.entries(options).map(([key, value]) => `${key} = ${value}`),
  ]);
  await mkdir(join(life.folder, 'conf.d'), { recursive: true });
  await writeFile(join(life.folder, 'conf.d', 'plugins.conf'), `${lines.join('\n')}\n`);
}
