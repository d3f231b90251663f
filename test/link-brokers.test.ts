import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startEmbeddedBroker } from '../agent/demo/broker.ts';
import { startPlatform } from '../agent/demo/platform.ts';
import { ownMember } from '../agent/demo/story.ts';
import { createLog } from '../agent/log.ts';
import { expect } from './support/current-test.ts';
import { lifeTest, statusEvents } from './support/life.ts';
import { startProxy } from './support/proxy.ts';
import { startStrictBroker } from './support/strict-broker.ts';

const silent = createLog({ level: 'silent', pretty: false, colour: false });
const wholeLife = [
  'InstanceStartedEvent',
  'InstanceActivatedEvent',
  'InstanceMaintenanceModeEvent',
  'InstanceReadyToShutdownEvent',
];

lifeTest.concurrent('the second broker is used when the first is dead', async ({ life }) => {
  const platform = await life.platform();
  const dead = await life.port();

  const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${dead},127.0.0.1:${life.brokerPort}` } });
  await platform.waitFor('CompleteTopologyRequestEvent');
  await platform.initializeMember();
  await platform.waitFor('InstanceActivatedEvent');
  await platform.cleanupMember();
  await platform.waitFor('InstanceReadyToShutdownEvent');

  expect(await agent.exited).toBe(0);
  expect(statusEvents(platform.heard)).toEqual(wholeLife);
});

lifeTest.concurrent(
  'the second broker is used when the first takes the connection and says nothing',
  async ({ life }) => {
    const platform = await life.platform();
    await using mute = await startProxy(life.brokerPort);
    mute.fate = () => 'hold';

    const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${mute.port},127.0.0.1:${life.brokerPort}` } });
    await platform.waitFor('CompleteTopologyRequestEvent');
    const told = await agent.logged(({ event }) => event === 'broker.failed');

    expect(told).toMatchObject({ level: 'warn', port: mute.port });
  },
);

lifeTest.concurrent(
  'an instance whose broker dies goes on at the other one, as if nothing had been',
  async ({ life }) => {
    const first = await startEmbeddedBroker();
    const there = await startPlatform({ broker: { server: { host: '127.0.0.1', port: first.port } }, log: silent });
    const here = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${first.port},127.0.0.1:${life.brokerPort}` } });
    await there.waitFor('CompleteTopologyRequestEvent');
    await there.initializeMember();
    await there.waitFor('HealthStatisticsEvent');
    await there.stop();

    await first.close();
    await here.waitFor('HealthStatisticsEvent');
    await here.cleanupMember();
    await here.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    expect(statusEvents(there.heard)).toEqual(wholeLife.slice(0, 2));
    expect(statusEvents(here.heard)).toEqual(wholeLife.slice(2));
  },
);

lifeTest.concurrent('a refused login is told once, without the password, and tried on', async ({ life }) => {
  const password = 'correct-horse-7f3a';
  const logins: (string | undefined)[] = [];
  let isOpen = false;
  await using strict = await startStrictBroker({
    authenticate: (_client, _user, given, done) => {
      logins.push(given?.toString());
      if (isOpen) done(null, true);
      else done(Object.assign(new Error('bad user name or password'), { returnCode: 4 }), null);
    },
  });
  const dead = await life.port();

  const agent = await life.agent({
    conf: {
      'mb.urls': `127.0.0.1:${dead},127.0.0.1:${strict.port}`,
      'mb.username': 'shop',
      'mb.password': password,
    },
  });
  await expect.poll(() => logins.length, { timeout: 15_000 }).toBeGreaterThan(2);
  isOpen = true;
  await agent.logged(({ event }) => event === 'broker.connected');
  const told = agent.lines.filter(({ event, level }) => event === 'broker.failed' && level === 'warn');

  expect(new Set(logins)).toEqual(new Set([password]));
  expect(told.map(({ port, code }) => ({ port, code }))).toEqual([
    { port: dead, code: 'BROKER_NOT_REACHED' },
    { port: strict.port, code: 'BROKER_LOGIN_REFUSED' },
  ]);
  expect(await readFile(join(life.folder, 'agent.log'), 'utf8')).not.toContain(password);
});

lifeTest.concurrent('somebody who takes connections and hangs up is told of', async ({ life }) => {
  const platform = await life.platform();
  await using proxy = await startProxy(life.brokerPort);
  proxy.accepts = false;

  const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${proxy.port}` } });
  await expect.poll(() => proxy.connections, { timeout: 10_000 }).toBeGreaterThan(1);
  proxy.accepts = true;
  await platform.waitFor('CompleteTopologyRequestEvent');
  const told = agent.lines.filter(({ event, level }) => event === 'broker.failed' && level === 'warn');
  const reasons = told.map(({ err }) => (err as Error).message);

  expect(told).not.toEqual([]);
  expect(reasons).toEqual([...new Set(reasons)]);
});

lifeTest.concurrent('something that is no broker is told of', async ({ life }) => {
  const web = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const port = await life.port();
  await new Promise<void>((resolve) => web.listen(port, '127.0.0.1', resolve));

  const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${port}` } });
  const told = await agent.logged(({ event }) => event === 'broker.failed');
  web.close();

  expect(told).toMatchObject({ level: 'warn', port });
});

lifeTest.concurrent('a subscription that is refused is told of, and the others do their work', async ({ life }) => {
  await using strict = await startStrictBroker({
    authorizeSubscribe: (_client, subscription, done) =>
      done(null, subscription.topic === 'tenant/#' ? null : subscription),
  });
  const platform = await startPlatform({ broker: { server: { host: '127.0.0.1', port: strict.port } }, log: silent });
  const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${strict.port}` } });

  const told = await agent.logged(({ event }) => event === 'broker.subscriptionRefused');
  await platform.waitFor('CompleteTopologyRequestEvent');
  await platform.initializeMember();
  await platform.waitFor('InstanceActivatedEvent');
  await platform.cleanupMember();
  await platform.waitFor('InstanceReadyToShutdownEvent');
  const exitCode = await agent.exited;
  await platform.stop();

  expect(told).toMatchObject({
    level: 'error',
    code: 'BROKER_SUBSCRIPTION_REFUSED',
    err: { topics: ['tenant/#'] },
    remedy: expect.stringContaining('access list'),
  });
  expect(exitCode).toBe(0);
  expect(statusEvents(platform.heard)).toEqual(wholeLife);
});

lifeTest.concurrent('a broker that hangs up at a forbidden subscription is told of', async ({ life }) => {
  await using strict = await startStrictBroker({
    authorizeSubscribe: (_client, _subscription, done) => done(new Error('not allowed')),
  });

  const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${strict.port}` } });
  const told = await agent.logged(({ event }) => event === 'broker.failed');

  expect(told).toMatchObject({ level: 'warn', err: { message: expect.stringContaining('subscriptions') } });
});
