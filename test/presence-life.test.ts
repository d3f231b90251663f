import { join } from 'node:path';
import { ownMember, shop } from '../agent/demo/story.ts';
import { Presence, presenceTopic } from '../state/messages/presence.ts';
import { expect } from './support/current-test.ts';
import { anyBroker, lifeTest } from './support/life.ts';
import { retained, spectate } from './support/link.ts';
import { statusOf } from './support/status.ts';
import { startStrictBroker } from './support/strict-broker.ts';

const topic = presenceTopic(shop.memberId);
const soon = () => AbortSignal.timeout(15_000);
const test = lifeTest.extend('broker', anyBroker);

test.concurrent('the fleet sees each state of a life, and nothing stays of it', async ({ life }) => {
  const platform = await life.platform();
  const { heard } = await spectate(life.brokerPort);
  const kept = () => retained(life.brokerPort, topic);

  const agent = await life.agent({ hooks: { 'InstanceStartedEvent.sh': 'sleep 1', 'clean.sh': 'sleep 1' } });
  await platform.waitFor('CompleteTopologyRequestEvent');
  await expect.poll(kept, { timeout: 5_000 }).toMatchObject({ state: 'created', condition: 'waiting', link: 'up' });
  await platform.initializeMember();
  await expect.poll(kept, { timeout: 5_000 }).toMatchObject({ state: 'initialized', link: 'up' });
  await expect.poll(kept, { timeout: 10_000 }).toMatchObject({ state: 'active', condition: 'ok', message: '' });
  await platform.cleanupMember();
  await expect.poll(kept, { timeout: 5_000 }).toMatchObject({ state: 'pendingTermination' });
  await platform.waitFor('InstanceReadyToShutdownEvent');

  expect(await agent.exited).toBe(0);
  expect(await kept()).toBeNull();
  const own = heard.filter((message) => message.topic === topic);
  expect(own.at(-1)?.text).toBe('');
  for (const { text } of own.filter(({ text }) => text !== '')) Presence.parse(JSON.parse(text));
  expect(agent.lines.filter(({ event }) => event.startsWith('message.'))).not.toContainEqual(
    expect.objectContaining({ event: 'message.refused' }),
  );
});

test.concurrent('an agent that is stopped says so, one that is killed is said to be gone, the next one is a new run', async ({
  life,
}) => {
  await life.platform({ members: [ownMember('Active')] });
  const kept = () => retained(life.brokerPort, topic);
  const first = await life.agent();
  await first.entered('active', soon());
  await expect.poll(kept, { timeout: 5_000 }).toMatchObject({ link: 'up', state: 'active' });
  const before = await kept();

  await first.stop();
  const stopped = await kept();
  const second = await life.agent();
  await expect.poll(kept, { timeout: 10_000 }).toMatchObject({ link: 'up', state: 'active' });
  const again = await kept();
  second.kill();
  await expect.poll(kept, { timeout: 5_000 }).toMatchObject({ link: 'down' });
  const killed = await kept();

  expect(stopped).toMatchObject({ link: 'down', state: 'active', message: expect.stringContaining('SIGTERM') });
  expect(stopped?.['runId']).toBe(before?.['runId']);
  expect(again?.['runId']).not.toBe(before?.['runId']);
  expect(killed).toMatchObject({ runId: again?.['runId'], state: null });
  expect([...first.lines, ...second.lines].filter(({ event }) => event === 'presence.identityTaken')).toEqual([]);
});

test.concurrent('what a person must do about the link is in the condition', async ({ life }) => {
  await using strict = await startStrictBroker({
    authenticate: (_client, _user, _password, done) => done(Object.assign(new Error('no'), { returnCode: 5 }), null),
  });
  const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${strict.port}` } });

  const told = await agent.logged(({ event, condition }) => event === 'lifecycle.condition' && condition === 'blocked');

  const { link, next } = await statusOf(join(life.folder, 'state'));

  expect(told).toMatchObject({ level: 'warn', message: expect.stringContaining('cannot log in') });
  expect(link).toMatchObject({ state: 'down', code: 'BROKER_LOGIN_REFUSED' });
  expect(next).toMatchObject({ who: 'person', what: expect.stringMatching(/^a person: check user name and password/) });
});
