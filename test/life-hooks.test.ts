import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ownMember, shop } from '../agent/demo/story.ts';
import { anyBroker, lifeTest, statusEvents } from './support/life.ts';
import { statusOf } from './support/status.ts';

const scripts = [
  'CreateLVSDummyInterface',
  'VolumeMount',
  'InstanceStartedEvent',
  'StartServers',
  'InstanceActivatedEvent',
  'clean',
  'CompleteTopologyEvent',
  'CompleteTenantEvent',
  'MemberInitializedEvent',
  'MemberStartedEvent',
  'MemberActivatedEvent',
  'MemberTerminatedEvent',
  'DomainMappingAddedEvent',
  'DomainMappingRemovedEvent',
  'ApplicationSignUpRemovedEvent',
  'TenantSubscribedEvent',
];
/** Every script says its name. */
const hooks = Object.fromEntries(scripts.map((name) => [`${name}.sh`, `echo ${name} >> $TRACE`]));
const abroad = 'blog-app.www.php.domain';
const place = {
  clusterInstanceId: 'shop-app-1',
  networkPartitionId: 'network-partition-1',
  partitionId: 'partition-1',
};

const test = lifeTest.extend('broker', anyBroker);

describe('what is wrong with hooks', () => {
  test('is in the status from the start, and no longer once it is mended', async ({ life }) => {
    await life.platform({ members: [ownMember('Active')] });
    const hooks = { 'clean.sh': 'true', 'drain/warm.sh': 'true' };
    const agent = await life.agent({ hooks });
    const stateDir = join(life.folder, 'state');
    await agent.entered('active', AbortSignal.timeout(20_000));
    expect(await statusOf(stateDir)).toMatchObject({
      condition: 'ok',
      problems: [expect.stringContaining('drain/warm.sh')],
    });
    await agent.stop();
    chmodSync(join(life.folder, 'extensions/clean.sh'), 0o644);

    const again = await life.agent();
    await again.entered('active', AbortSignal.timeout(20_000));

    await expect.poll(async () => (await statusOf(stateDir)).condition).toBe('degraded');
    const { why, problems } = await statusOf(stateDir);
    expect(problems).toHaveLength(2);
    expect(why[0]).toMatch(/clean\.sh.*not executable/);
  });

  test('such as a script that does not take its notice, is told until it does', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent({ hooks: { 'TenantSubscribedEvent.sh': '[ -e $TRACE.mended ] || exit 3' } });
    await agent.entered('active', AbortSignal.timeout(20_000));
    const subscribed = { tenantId: 1, serviceName: shop.serviceName, clusterIds: [shop.clusterId] };

    await platform.publish('TenantSubscribedEvent', subscribed);
    const stateDir = join(life.folder, 'state');
    await expect.poll(async () => (await statusOf(stateDir)).why[0]).toMatch(/TenantSubscribedEvent\.sh: .*3/);
    writeFileSync(join(life.folder, 'trace.mended'), '');
    await platform.publish('TenantSubscribedEvent', subscribed);

    await expect.poll(async () => (await statusOf(stateDir)).condition).toBe('ok');
  });
});

describe('hooks', () => {
  test('are fired at each moment of the life, in order', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Created')] });
    const params = { LVS_VIRTUAL_IP: '192.0.2.40|255.255.255.0', PERSISTENCE_MAPPING: '/dev/vdb|vol-1|/mnt/data' };
    const gates = {
      'CreateLVSDummyInterface.sh': 'echo lvs $STRATOS_LVS_DUMMY_VIRTUAL_IP $STRATOS_LVS_SUBNET_MASK >> $TRACE',
      'VolumeMount.sh': 'echo volume $1 $STRATOS_VALUE1 >> $TRACE',
      'InstanceStartedEvent.sh': 'echo starting $STRATOS_MEMBER_ID >> $TRACE',
      'StartServers.sh': 'echo servers $STRATOS_CLUSTER_ID >> $TRACE',
      'instanceActivating/50-smoke': 'echo activating $CARTRIDGE_HOOK >> $TRACE',
      'InstanceActivatedEvent.sh': 'echo activated >> $TRACE',
      'drain/10-drain': 'echo drain >> $TRACE',
      'clean.sh': 'echo clean >> $TRACE',
    };
    const agent = await life.agent({ params, hooks: gates });
    await platform.waitFor('CompleteTopologyRequestEvent');
    const beforeRequest = agent.trace();

    await platform.initializeMember();
    await expect.poll(() => agent.trace().at(-1)).toBe('activated');
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(beforeRequest).toEqual(['lvs 192.0.2.40 255.255.255.0']);
    expect(agent.trace().slice(1)).toEqual([
      'volume /dev/vdb|vol-1|/mnt/data /dev/vdb|vol-1|/mnt/data',
      `starting ${shop.memberId}`,
      `servers ${shop.clusterId}`,
      'activating instanceActivating',
      'activated',
      'drain',
      'clean',
    ]);
  });

  test('hear of the members of our cluster and of those it depends on, once per status, and of no others', async ({
    life,
  }) => {
    const platform = await life.platform({ members: [ownMember('Active')], resyncMs: null });
    const agent = await life.agent({ hooks: { ...hooks, 'StartServers.sh': 'true' } });
    await expect
      .poll(() => agent.trace())
      .toEqual(expect.arrayContaining(['CompleteTopologyEvent', 'CompleteTenantEvent']));
    const sibling = { memberId: 'sibling', clusterId: shop.clusterId };
    const database = { memberId: 'database', clusterId: shop.dependencyClusterId };
    const stranger = { memberId: 'stranger', clusterId: abroad };

    for (const member of [stranger, sibling, database]) {
      await platform.createMember(member);
      await platform.initializeMember(member.memberId);
      const event = { serviceName: 'php', ...member, ...place };
      await platform.publish('InstanceStartedEvent', { applicationId: shop.applicationId, ...event });
      await platform.publish('InstanceStartedEvent', { applicationId: shop.applicationId, ...event });
      await platform.waitFor('InstanceStartedEvent', ({ body }) => body['memberId'] === member.memberId);
    }
    await expect.poll(() => agent.trace().filter((line) => line.startsWith('MemberStarted'))).toHaveLength(2);
    await platform.resync();
    await platform.terminateMember('sibling');
    await expect.poll(() => agent.trace()).toContain('MemberTerminatedEvent');

    const told = agent.trace().filter((line) => line.startsWith('Member'));
    expect(told.toSorted()).toEqual([
      ...['MemberInitializedEvent', 'MemberInitializedEvent'],
      ...['MemberStartedEvent', 'MemberStartedEvent'],
      'MemberTerminatedEvent',
    ]);
  });

  test('hear of tenants, domains and sign-ups', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')], resyncMs: null });
    const domain =
      'echo $STRATOS_EVENT $STRATOS_SUBSCRIPTION_DOMAIN_NAME $STRATOS_SUBSCRIPTION_TENANT_DOMAIN $STRATOS_SUBSCRIPTION_CONTEXT_PATH >> $TRACE';
    const agent = await life.agent({
      hooks: { ...hooks, 'DomainMappingAddedEvent.sh': domain, 'DomainMappingRemovedEvent.sh': domain },
    });
    await expect.poll(() => agent.trace()).toContain('CompleteTenantEvent');
    const mapping = {
      applicationId: shop.applicationId,
      tenantId: 1,
      serviceName: 'php',
      clusterId: shop.clusterId,
      domainName: 'www.example.com',
    };

    await platform.publish('DomainMappingAddedEvent', { ...mapping, contextPath: '/' });
    await expect.poll(() => agent.trace()).toContain('DomainMappingAddedEvent www.example.com acme.example.com /');
    await platform.publish('DomainMappingRemovedEvent', mapping);
    await platform.publish('ApplicationSignUpRemovedEvent', { applicationId: 'another-app', tenantId: 1 });
    await platform.publish('ApplicationSignUpRemovedEvent', { applicationId: shop.applicationId, tenantId: 1 });
    await platform.publish('TenantSubscribedEvent', { tenantId: 1, serviceName: 'php', clusterIds: [shop.clusterId] });

    await expect
      .poll(() => agent.trace())
      .toEqual(
        expect.arrayContaining([
          'DomainMappingRemovedEvent www.example.com acme.example.com',
          'ApplicationSignUpRemovedEvent',
          'TenantSubscribedEvent',
        ]),
      );
    expect(agent.trace().filter((line) => line === 'ApplicationSignUpRemovedEvent')).toHaveLength(1);
  });

  test('of the topology and tenants are told again only when something changed', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')], resyncMs: null });
    const script = 'echo $STRATOS_EVENT >> $TRACE';
    const agent = await life.agent({ hooks: { 'CompleteTopologyEvent.sh': script, 'CompleteTenantEvent.sh': script } });
    const told = (event: string) => agent.trace().filter((line) => line === event);
    await expect.poll(() => [told('CompleteTopologyEvent').length, told('CompleteTenantEvent').length]).toEqual([1, 1]);

    await platform.resync();
    await platform.createMember({ memberId: 'newcomer', clusterId: abroad });
    await platform.resync();

    await expect.poll(() => told('CompleteTopologyEvent')).toHaveLength(2);
    expect(told('CompleteTenantEvent')).toHaveLength(1);
  });

  test('that fail leave the life going, and are told', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const failing = {
      'InstanceStartedEvent.sh': 'exit 3',
      'StartServers.sh': 'exec sleep 60',
      'clean.sh': 'kill -9 $$',
    };
    const agent = await life.agent({ conf: { 'hook.timeout': '300ms' }, hooks: failing });

    await platform.waitFor('InstanceActivatedEvent');
    const degraded = await agent.logged(({ event, state }) => event === 'lifecycle.entered' && state === 'active');
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(degraded).toMatchObject({ condition: 'degraded', message: expect.stringContaining('instanceStarting') });
    expect(statusEvents(platform.heard)).toHaveLength(4);
  });

  test('that veto hold the instance back, and say why', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const veto = 'echo \'{"veto":"no licence"}\' >&3; exit 1';
    const agent = await life.agent({ hooks: { 'startServers/10-licence': veto } });

    const blocked = await agent.logged(({ condition }) => condition === 'blocked');
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(blocked).toMatchObject({ state: 'started', message: expect.stringContaining('no licence') });
    expect(statusEvents(platform.heard)).not.toContain('InstanceActivatedEvent');
  });
});
