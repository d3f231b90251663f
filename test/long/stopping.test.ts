import { once } from 'node:events';
import { appendFileSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Platform } from '../../agent/demo/platform.ts';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { startGitServer } from '../support/git-server.ts';
import { type Agent, type Life, lifeTest, statusEvents } from '../support/life.ts';
import { startProxy } from '../support/proxy.ts';

/** An agent in the state it shall be stopped in, and the platform that must not hear of it; null where it cannot. */
type Stage = { readonly agent: Agent; readonly platform: Platform | null };

/** `hasHook`: a hook runs, and must not when the agent is gone. */
type StageSetting = { readonly summary: string; readonly hasHook?: true; arrange(life: Life): Promise<Stage> };

const withinMs = 1_000;
/** Takes no notice of TERM, and neither does what it starts. The first line of the trace is its process group. */
const stubborn = "trap '' TERM\necho $$ >> $TRACE\nwhile :; do sleep 1; done";
const soon = () => AbortSignal.timeout(15_000);

const inActive: StageSetting = {
  summary: 'in active',
  async arrange(life) {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent();
    await platform.waitFor('HealthStatisticsEvent');
    return { agent, platform };
  },
};

const stages: readonly StageSetting[] = [
  {
    summary: 'while no broker is there',
    async arrange(life) {
      const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${await life.port()}` } });
      await agent.logged(({ event }) => event === 'broker.failed');
      return { agent, platform: null };
    },
  },
  {
    summary: 'while a broker says nothing',
    async arrange(life) {
      const mute = await startProxy(life.brokerPort);
      onTestFinished(() => mute[Symbol.asyncDispose]());
      mute.fate = () => 'hold';
      const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${mute.port}` } });
      await expect.poll(() => mute.held, { timeout: 10_000 }).toBe(1);
      return { agent, platform: null };
    },
  },
  {
    summary: 'in created, while the platform does not know the instance yet',
    async arrange(life) {
      const platform = await life.platform();
      const agent = await life.agent();
      await platform.waitFor('CompleteTopologyRequestEvent');
      return { agent, platform };
    },
  },
  {
    summary: 'in initialized, while a hook runs that ignores TERM',
    hasHook: true,
    async arrange(life) {
      const platform = await life.platform({ members: [ownMember('Initialized')] });
      const agent = await life.agent({ hooks: { 'InstanceStartedEvent.sh': stubborn } });
      await expect.poll(agent.trace, { timeout: 10_000 }).toHaveLength(1);
      return { agent, platform };
    },
  },
  {
    summary: 'in started, while a clone hangs',
    async arrange(life) {
      const git = await startGitServer();
      onTestFinished(() => git[Symbol.asyncDispose]());
      git.mode = { kind: 'hang' };
      const repositories = [{ clusterId: shop.clusterId, tenantId: shop.tenantId, url: `${git.url}/web` }];
      const platform = await life.platform({ members: [ownMember('Initialized')], repositories });
      const agent = await life.agent({ params: { REPO_URL: `${git.url}/web` } });
      await expect.poll(() => git.requests.length, { timeout: 10_000 }).toBe(1);
      return { agent, platform };
    },
  },
  {
    summary: 'in started, while a port stays closed',
    async arrange(life) {
      const platform = await life.platform({ members: [ownMember('Initialized')] });
      const agent = await life.agent({ params: { PORTS: String(await life.port()) } });
      await platform.waitFor('InstanceStartedEvent');
      return { agent, platform };
    },
  },
  inActive,
  {
    summary: 'in active, while a notice is told that ignores TERM',
    hasHook: true,
    async arrange(life) {
      const platform = await life.platform({ members: [ownMember('Initialized')] });
      const agent = await life.agent({ hooks: { 'InstanceActivatedEvent.sh': stubborn } });
      await expect.poll(agent.trace, { timeout: 10_000 }).toHaveLength(1);
      await platform.waitFor('InstanceActivatedEvent');
      return { agent, platform };
    },
  },
  {
    summary: 'in pendingTermination, while clean.sh ignores TERM',
    hasHook: true,
    async arrange(life) {
      const platform = await life.platform({ members: [ownMember('Active')] });
      const agent = await life.agent({ hooks: { 'clean.sh': stubborn } });
      await agent.entered('active', soon());
      await platform.cleanupMember();
      await expect.poll(agent.trace, { timeout: 10_000 }).toHaveLength(1);
      await platform.waitFor('InstanceMaintenanceModeEvent');
      return { agent, platform };
    },
  },
  {
    summary: 'in obsolete, while its last word cannot be delivered',
    async arrange(life) {
      const platform = await life.platform({ members: [ownMember('Active')] });
      const proxy = await startProxy(life.brokerPort);
      onTestFinished(() => proxy[Symbol.asyncDispose]());
      proxy.fate = ({ topic }) => (topic?.startsWith('instance/status/') ? 'hold' : 'pass');
      const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${proxy.port}` } });
      await agent.entered('active', soon());
      await platform.cleanupMember();
      await agent.entered('obsolete', soon());
      return { agent, platform };
    },
  },
];

lifeTest.for([
  ...stages.map((stage) => ({ signal: 'SIGTERM', ...stage }) as const),
  { signal: 'SIGINT', ...inActive } as const,
])('at $signal $summary the agent leaves, and the instance lives on', async (stage, { life }) => {
  const { agent, platform } = await stage.arrange(life);
  const saidBefore = statusEvents(platform?.heard ?? []);

  const sentAt = performance.now();
  process.kill(agent.pid, stage.signal);
  const exitCode = await agent.exited;
  const tookMs = performance.now() - sentAt;
  // What the agent said before it left was said before this.
  await platform?.publishRaw('initializer/AfterIt', '{}');
  await platform?.waitFor('AfterIt');

  expect(exitCode).toBe(0);
  expect(tookMs).toBeLessThan(withinMs);
  expect(statusEvents(platform?.heard ?? [])).toEqual(saidBefore);
  if (stage.hasHook) expect(isRunning(Number(agent.trace()[0]))).toBe(false);
});

lifeTest('a monitoring server that never answers may keep it for three seconds', async ({ life }) => {
  const [server, file] = [createServer(), join(life.folder, 'app.log')];
  let connections = 0;
  server.on('connection', () => connections++);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const conf = {
    'enable.data.publisher': 'true',
    'log.file.paths': file,
    'monitoring.server.ip': '127.0.0.1',
    'monitoring.server.port': '1',
    'monitoring.server.secure.port': String((server.address() as AddressInfo).port),
    'monitoring.server.admin.username': 'admin',
    'monitoring.server.admin.password': 'change-me',
  };
  const agent = await life.agent({ conf });
  // Until it is followed, what is written is not sent.
  const append = () => {
    appendFileSync(file, 'a line\n');
    return connections;
  };
  await expect.poll(append, { timeout: 10_000 }).toBe(1);

  const sentAt = performance.now();
  process.kill(agent.pid, 'SIGTERM');

  expect(await agent.exited).toBe(0);
  expect(performance.now() - sentAt).toBeLessThan(3 * withinMs);
});

lifeTest('a second signal ends the agent at once', async ({ life }) => {
  await life.platform({ members: [ownMember('Initialized')] });
  const agent = await life.agent({ hooks: { 'InstanceStartedEvent.sh': stubborn } });
  await expect.poll(agent.trace, { timeout: 10_000 }).toHaveLength(1);
  const group = Number(agent.trace()[0]);
  // Nobody is left to see to the hook.
  onTestFinished(() => void process.kill(-group, 'SIGKILL'));

  process.kill(agent.pid, 'SIGTERM');
  await agent.logged(({ event }) => event === 'agent.stopping');
  process.kill(agent.pid, 'SIGTERM');

  expect(await agent.exited).toBe(128 + 15);
  expect(isRunning(group)).toBe(true);
});

lifeTest('a service that a hook has started outlives the agent', async ({ life }) => {
  const platform = await life.platform({ members: [ownMember('Initialized')] });
  const agent = await life.agent({
    hooks: {
      'StartServers.sh': "export TRACE; setsid sh -c 'echo $$ >> $TRACE; exec sleep 60' > /dev/null 2>&1 < /dev/null &",
    },
  });
  await platform.waitFor('InstanceActivatedEvent');
  await expect.poll(agent.trace, { timeout: 10_000 }).toHaveLength(1);
  const service = Number(agent.trace()[0]);
  onTestFinished(() => void process.kill(-service, 'SIGKILL'));

  process.kill(agent.pid, 'SIGTERM');

  expect(await agent.exited).toBe(0);
  expect(isRunning(service)).toBe(true);
});

/** The dead that nobody has buried, in a container without an init process, do not count. */
function isRunning(processId: number): boolean {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'latin1');
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1));
  } catch {
    return false;
  }
}
