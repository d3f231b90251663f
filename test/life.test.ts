import { describe, expect } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { brokers, lifeTest, statusEvents } from './support/life.ts';

const wholeLife = [
  'InstanceStartedEvent',
  'InstanceActivatedEvent',
  'InstanceMaintenanceModeEvent',
  'InstanceReadyToShutdownEvent',
];

describe.for(brokers)('over the %s broker', (broker) => {
  const test = lifeTest.extend('broker', broker);

  test('an instance goes from Created to Obsolete, and says each status once', async ({ life }) => {
    const platform = await life.platform();
    const port = await life.port();
    const agent = await life.agent({ params: { PORTS: String(port) } });

    await platform.waitFor('CompleteTopologyRequestEvent');
    await platform.initializeMember();
    await platform.waitFor('InstanceStartedEvent');
    await life.listen(port);
    await platform.waitFor('InstanceActivatedEvent');
    await platform.waitFor('HealthStatisticsEvent');
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(wholeLife);
    expect(platform.memberStatus()).toBe('ReadyToShutDown');
    expect(platform.refused).toEqual([]);
  });

  test('a member the platform comes to know later, by increments only, goes the same way', async ({ life }) => {
    const platform = await life.platform({ members: [], resyncMs: null });
    const agent = await life.agent();
    await agent.logged(({ event, state }) => event === 'lifecycle.entered' && state === 'created');
    await platform.waitFor('CompleteTopologyRequestEvent');

    await platform.createMember();
    await platform.initializeMember();
    await platform.waitFor('InstanceActivatedEvent');
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(platform.refused).toEqual([]);
  });

  test.for([
    { status: 'Initialized', says: wholeLife },
    { status: 'Starting', says: wholeLife.slice(1) },
    { status: 'Active', says: wholeLife.slice(2) },
    { status: 'In_Maintenance', says: wholeLife.slice(2) },
  ] as const)('a member that is $status already is taken up from there', async ({ status, says }, { life }) => {
    const platform = await life.platform({ members: [ownMember(status)] });
    const agent = await life.agent();

    if (status !== 'In_Maintenance') {
      await agent.entered('active', AbortSignal.timeout(20_000));
      await platform.cleanupCluster();
    }
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(says);
  });
});
