import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { startGitServer } from './support/git-server.ts';
import { anyBroker, lifeTest, statusEvents } from './support/life.ts';

const leaving = ['InstanceMaintenanceModeEvent', 'InstanceReadyToShutdownEvent'];
const traced = (script: string) => `echo ${script} >> $TRACE`;
const hangs = (script: string) => `${traced(script)}\nexec sleep 60`;

describe('a cleanup', () => {
  const test = lifeTest.extend('broker', anyBroker);

  test('before the platform has told anything ends the instance', async ({ life }) => {
    const platform = await life.platform({ members: [] });
    const agent = await life.agent({ hooks: { 'clean.sh': traced('clean') } });
    await platform.waitFor('CompleteTopologyRequestEvent');

    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
    expect(agent.trace()).toEqual([]);
  });

  test.for([
    { hook: 'CreateLVSDummyInterface', params: { LVS_VIRTUAL_IP: '192.0.2.40|255.255.255.0' }, said: [], cleans: [] },
    { hook: 'VolumeMount', params: { PERSISTENCE_MAPPING: '/dev/vdb|null|/mnt' }, said: [], cleans: ['clean'] },
    { hook: 'InstanceStartedEvent', params: {}, said: [], cleans: ['clean'] },
    { hook: 'StartServers', params: {}, said: ['InstanceStartedEvent'], cleans: ['clean'] },
  ])('overtakes the script $hook that hangs', async ({ hook, params, said, cleans }, { life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const hooks = { [`${hook}.sh`]: hangs(hook), 'clean.sh': traced('clean') };
    const agent = await life.agent({ params, hooks });
    await expect.poll(() => agent.trace()).toEqual([hook]);

    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual([...said, ...leaving]);
    expect(agent.trace()).toEqual([hook, ...cleans]);
  });

  test('overtakes the wait for ports, and nothing is said of them afterwards', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const port = await life.port();
    const untilOpen = 'until [ -e $TRACE.open ]; do sleep 0.05; done';
    const agent = await life.agent({ params: { PORTS: String(port) }, hooks: { 'clean.sh': untilOpen } });
    await platform.waitFor('InstanceStartedEvent');

    await platform.cleanupCluster();
    await platform.waitFor('InstanceMaintenanceModeEvent');
    await life.listen(port);
    await writeFile(join(life.folder, 'trace.open'), '');
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(['InstanceStartedEvent', ...leaving]);
  });

  test('overtakes a clone that hangs, and leaves no git behind', async ({ life }) => {
    await using server = await startGitServer();
    const repository = await server.createRepository('shop.git');
    server.mode = { kind: 'hang' };
    const repositories = [{ clusterId: 'shop-app.web.php.domain', tenantId: 1, url: repository.url }];
    const platform = await life.platform({ members: [ownMember('Initialized')], repositories });
    const agent = await life.agent({ params: { REPO_URL: repository.url } });
    await expect.poll(() => server.requests.length).toBeGreaterThan(0);

    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(['InstanceStartedEvent', ...leaving]);
  });

  test.for([
    { what: 'a drain that hangs', drain: hangs('drain') },
    { what: 'a drain that is held', drain: `${traced('drain')}\nexit 75` },
  ])('cleans in time before its budget is spent, after $what', async ({ drain }, { life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const hooks = { 'drain/50-wait': drain, 'clean.sh': traced('clean') };
    const agent = await life.agent({ conf: { 'termination.budget': '4' }, hooks });
    await agent.entered('active', AbortSignal.timeout(20_000));

    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent', () => true, { timeoutMs: 4_500 });

    expect(await agent.exited).toBe(0);
    expect([...new Set(agent.trace())]).toEqual(['drain', 'clean']);
  });

  test('waits for clean as long as the budget lasts, then ends all the same', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const hooks = { 'clean.sh': `trap '' TERM\n${traced('clean')}\nsleep 60` };
    const agent = await life.agent({ conf: { 'termination.budget': '500ms' }, hooks });
    await agent.entered('active', AbortSignal.timeout(20_000));

    await platform.cleanupMember();
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent', () => true, { timeoutMs: 3_000 });

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(leaving);
    expect(agent.trace()).toEqual(['clean']);
  });

  test('of somebody else is none of our business', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent();
    await agent.entered('active', AbortSignal.timeout(20_000));

    await platform.cleanupMember('shop-app.web.php.domain-another');
    await platform.cleanupCluster('shop-app.web.php.domain', 'shop-app-2');
    await platform.cleanupCluster('shop-app.db.mysql.domain', 'shop-app-1');
    const before = platform.heard.at(-1);
    await platform.waitFor('HealthStatisticsEvent', () => true, before === undefined ? {} : { after: before });

    expect(statusEvents(platform.heard)).toEqual([]);
    await platform.cleanupMember();
    expect(await agent.exited).toBe(0);
  });
});
