import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe } from 'vitest';
import { ownMember } from '../../agent/demo/story.ts';
import { expect, onTestFinished } from '../support/current-test.ts';
import { type Agent, anyBroker, lifeTest, statusEvents } from '../support/life.ts';
import { startProxy } from '../support/proxy.ts';

const traced = (script: string) => `echo "${script} $CARTRIDGE_ATTEMPT" >> $TRACE`;
const startHooks = {
  'InstanceStartedEvent.sh': traced('starting'),
  'StartServers.sh': traced('servers'),
  'InstanceActivatedEvent.sh': traced('activated'),
  'clean.sh': traced('clean'),
};
const started = 'InstanceStartedEvent';
const activated = 'InstanceActivatedEvent';
const leaving = ['InstanceMaintenanceModeEvent', 'InstanceReadyToShutdownEvent'];
const soon = () => AbortSignal.timeout(20_000);

describe.concurrent('an agent that was killed', () => {
  const test = lifeTest.extend('broker', anyBroker);

  test('in created, waits again for the platform', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Created')] });
    const first = await life.agent({ hooks: startHooks });
    await first.entered('created', soon());
    await kill(first);

    const agent = await life.agent({ hooks: startHooks });
    await agent.entered('created', soon());
    await platform.initializeMember();
    await platform.waitFor(activated);
    await expect.poll(agent.trace).toContain('activated 1');

    expect(statusEvents(platform.heard)).toEqual([started, activated]);
    expect(agent.trace()).toEqual(['starting 1', 'servers 1', 'activated 1']);
  });

  test('in a hook, ends what is left of it and runs it a second time', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    // Goes on by itself when the second one is through: if it still could, it would be seen.
    const slow = [
      traced('slow'),
      '[ $CARTRIDGE_ATTEMPT = 2 ] && touch "$STRATOS_APPLICATION_PATH.second" && exit 0',
      'until [ -e "$STRATOS_APPLICATION_PATH.second" ]; do sleep 0.05; done',
      traced('survived'),
    ].join('\n');
    const hooks = { ...startHooks, 'StartServers.sh': slow };
    const first = await life.agent({ hooks });
    await expect.poll(first.trace).toContain('slow 1');
    await kill(first);

    const agent = await life.agent({ hooks });
    await platform.waitFor(activated);
    await expect.poll(agent.trace).toContain('activated 1');
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual([started, activated, ...leaving]);
    expect(agent.trace()).toEqual(['starting 1', 'slow 1', 'slow 2', 'activated 1', 'clean 1']);
  });

  test('in started, while it waits for a port, runs no hook again', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const port = await life.port();
    const options = { params: { PORTS: String(port) }, hooks: startHooks };
    const first = await life.agent(options);
    await expect.poll(first.trace).toContain('servers 1');
    await expect.poll(() => journalOf(life.folder)).toContain('"passedGates":["instanceStarting","startServers"]');
    await kill(first);

    const agent = await life.agent(options);
    await agent.entered('started', soon());
    await life.listen(port);
    await platform.waitFor(activated);
    await expect.poll(agent.trace).toContain('activated 1');

    expect(statusEvents(platform.heard)).toEqual([started, activated]);
    expect(agent.trace()).toEqual(['starting 1', 'servers 1', 'activated 1']);
  });

  test('while it told the hooks that it is active, tells them again', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const told = 'echo "told $CARTRIDGE_ATTEMPT" >> $TRACE';
    const options = {
      hooks: { 'instanceActivated/10-register': `${told}; [ $CARTRIDGE_ATTEMPT -gt 1 ] || exec sleep 60` },
    };
    const first = await life.agent(options);
    await expect.poll(first.trace).toEqual(['told 1']);
    await kill(first);

    const again = await life.agent(options);

    await expect.poll(again.trace).toEqual(['told 1', 'told 2']);
    await expect.poll(() => journalOf(life.folder)).toContain('"activationNotified":true');
    await again.stop();
    const third = await life.agent(options);
    await platform.cleanupMember();
    expect(await third.exited).toBe(0);
    expect(third.trace()).toEqual(['told 1', 'told 2']);
    expect(statusEvents(platform.heard).slice(0, 2)).toEqual([started, activated]);
  });

  test('in active, has its statistics back within 5 s and says nothing else', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const options = { hooks: startHooks, conf: { 'stats.notifier.interval': '15' } };
    const first = await life.agent(options);
    await expect.poll(first.trace).toContain('activated 1');
    await expect.poll(() => journalOf(life.folder)).toContain('"activationNotified":true');
    await kill(first);
    const last = platform.heard.at(-1);

    const since = performance.now();
    const agent = await life.agent(options);
    await platform.waitFor('HealthStatisticsEvent', () => true, last === undefined ? {} : { after: last });
    const tookMs = performance.now() - since;
    await agent.logged(
      ({ event, request }) => event === 'request.published' && request === 'CompleteTopologyRequestEvent',
    );

    expect(tookMs).toBeLessThan(5_000);
    expect(statusEvents(platform.heard)).toEqual([started, activated]);
    expect(agent.trace()).toEqual(['starting 1', 'servers 1', 'activated 1']);
    await platform.cleanupMember();
    expect(await agent.exited).toBe(0);
  });

  test('while it was leaving, goes on with what is left of the budget', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const options = {
      hooks: { 'drain.sh': traced('drain'), 'clean.sh': `${traced('clean')}\nexec sleep 60` },
      conf: { 'termination.budget': '6' },
    };
    const first = await life.agent(options);
    await first.entered('active', soon());
    await platform.cleanupMember();
    const maintenance = await platform.waitFor('InstanceMaintenanceModeEvent');
    await expect.poll(first.trace).toContain('clean 1');
    await pause(2_500); // so much of the budget is spent
    await kill(first);

    const agent = await life.agent(options);
    const ready = await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(ready.at - maintenance.at).toBeGreaterThan(4_000);
    expect(ready.at - maintenance.at).toBeLessThan(7_000);
    expect(statusEvents(platform.heard)).toEqual(leaving);
    expect(agent.trace()).toContain('clean 2');
  });

  test('when its budget is spent while it is down, says so at once', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const options = { hooks: { 'clean.sh': `${traced('clean')}\nexec sleep 60` }, conf: { 'termination.budget': '1' } };
    const first = await life.agent(options);
    await first.entered('active', soon());
    await platform.cleanupMember();
    await expect.poll(first.trace).toContain('clean 1');
    await kill(first);
    await pause(1_000); // the budget

    const agent = await life.agent(options);
    await platform.waitFor('InstanceReadyToShutdownEvent', () => true, { timeoutMs: 3_000 });

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
  });

  test('in obsolete without a broker, delivers what is left and ends', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const proxy = await startProxy(life.brokerPort);
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const options = { conf: { 'mb.urls': `127.0.0.1:${proxy.port}` }, hooks: startHooks };
    const first = await life.agent(options);
    await first.entered('active', soon());
    proxy.fate = ({ topic }) => (topic?.startsWith('instance/status/') ? 'hold' : 'pass');
    await platform.cleanupMember();
    await first.entered('obsolete', soon());
    proxy.accepts = false;
    proxy.cut();
    await kill(first);

    const agent = await life.agent(options);
    await agent.logged(({ event }) => event === 'broker.failed');
    proxy.fate = () => 'pass';
    proxy.accepts = true;
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
    expect(agent.trace()).toEqual(['clean 1']);
    expect(agent.lines.find(({ event }) => event === 'lifecycle.entered')).toMatchObject({
      state: 'obsolete',
      message: 'delivers what is left to the broker',
    });
  });

  test('in obsolete with nothing left to say, ends at once', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const first = await life.agent({ hooks: startHooks });
    await first.entered('active', soon());
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');
    expect(await first.exited).toBe(0);

    const agent = await life.agent({ hooks: startHooks });

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
    expect(agent.trace()).toEqual(['clean 1']);
  });

  test('and has lost its disk while starting, runs the hooks again and says Started only once', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const port = await life.port();
    const options = { params: { PORTS: String(port) }, hooks: startHooks };
    const first = await life.agent(options);
    await expect.poll(first.trace).toEqual(['starting 1', 'servers 1']);
    await kill(first);
    await rm(join(life.folder, 'state'), { recursive: true });

    const agent = await life.agent(options);
    await life.listen(port);
    await platform.waitFor(activated);
    await expect.poll(agent.trace).toContain('activated 1');

    expect(statusEvents(platform.heard)).toEqual([started, activated]);
    expect(agent.trace()).toEqual(['starting 1', 'servers 1', 'servers 1', 'activated 1']);
  });

  test('and has lost its disk while active, serves on', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const first = await life.agent({ hooks: startHooks });
    await expect.poll(first.trace).toContain('activated 1');
    await kill(first);
    await rm(join(life.folder, 'state'), { recursive: true });
    const last = platform.heard.at(-1);

    const agent = await life.agent({ hooks: startHooks });
    await platform.waitFor('HealthStatisticsEvent', () => true, last === undefined ? {} : { after: last });
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual([started, activated, ...leaving]);
    expect(agent.trace()).toEqual(['starting 1', 'servers 1', 'activated 1', 'clean 1']);
  });
});

async function kill(agent: Agent): Promise<void> {
  process.kill(agent.pid, 'SIGKILL');
  await agent.exited;
}

function journalOf(folder: string): string {
  return readFileSync(join(folder, 'state', 'journal'), 'utf8');
}
