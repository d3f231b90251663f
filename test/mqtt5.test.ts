import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startEmbeddedBroker } from '../agent/demo/broker.ts';
import { ownMember, shop } from '../agent/demo/story.ts';
import { createRequests } from '../agent/requests.ts';
import { accessList } from './support/access-list.ts';
import { lifeTest, statusEvents } from './support/life.ts';
import { at, openLink, recordedLog, retained, soon } from './support/link.ts';
import { hasMosquitto, startMosquitto } from './support/mosquitto.ts';
import { startProxy } from './support/proxy.ts';
import { hasSession } from './support/session.ts';
import { statusOf } from './support/status.ts';

const quick = { backOffMs: 20, stableMs: 100, backOffLimitMs: 100 };

describe.skipIf(!hasMosquitto)('over MQTT 5', () => {
  lifeTest.extend('broker', 'mosquitto')(
    'a whole life, at the end of which the session ends with a word, not with another connection',
    async ({ life }) => {
      const platform = await life.platform();
      await using proxy = await startProxy(life.brokerPort);

      const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${proxy.port}`, 'mb.protocol.version': '5' } });
      await platform.waitFor('CompleteTopologyRequestEvent');
      await platform.initializeMember();
      await platform.waitFor('InstanceActivatedEvent');
      await platform.cleanupMember();
      await platform.waitFor('InstanceReadyToShutdownEvent');

      expect(await agent.exited).toBe(0);
      expect(statusEvents(platform.heard)).toEqual([
        'InstanceStartedEvent',
        'InstanceActivatedEvent',
        'InstanceMaintenanceModeEvent',
        'InstanceReadyToShutdownEvent',
      ]);
      expect(proxy.connections).toBe(1);
      expect(await hasSession(life.brokerPort, `cartridge-agent-${shop.memberId}`)).toBe(false);
    },
  );

  test('the session is kept while we are away, and what came meanwhile is heard', async () => {
    await using mosquitto = await startMosquitto();
    const first = openLink({ servers: at(mosquitto.port), protocolVersion: 5 });
    await first.up(soon());
    await first.close();
    const platform = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`);
    await platform.publishAsync('to/us/1', 'kept', { qos: 1 });
    await platform.endAsync();

    const second = openLink({ servers: at(mosquitto.port), protocolVersion: 5 });

    await expect.poll(() => second.messages).toEqual([{ topic: 'to/us/1', text: 'kept' }]);
  });

  test('a link that breaks leaves our will', async () => {
    await using mosquitto = await startMosquitto();
    await using proxy = await startProxy(mosquitto.port);
    const will = () => ({ topic: 'will/of/us', payload: '{"link":"down"}' });
    const link = openLink({ servers: at(proxy.port), protocolVersion: 5, will });
    await link.up(soon());

    proxy.accepts = false;
    proxy.cut();

    await expect.poll(() => retained(mosquitto.port, 'will/of/us')).toEqual({ link: 'down' });
  });

  test('a refused login comes with its reason code', async () => {
    await using mosquitto = await startMosquitto(['allow_anonymous false']);

    const link = openLink({ servers: at(mosquitto.port), protocolVersion: 5, timings: quick });
    await expect.poll(() => link.lines('broker.failed').length).toBeGreaterThan(2);

    expect(link.lines('broker.failed').filter(({ level }) => level === 'warn')).toMatchObject([
      { code: 'BROKER_LOGIN_REFUSED', err: { reason: '135', message: expect.stringContaining('Not authorized') } },
    ]);
  });

  test('a letter that is refused is not taken for delivered', async () => {
    await using mosquitto = await startMosquitto(['allow_anonymous true', `acl_file ${accessList('topic read #')}`]);
    const link = openLink({ servers: at(mosquitto.port), protocolVersion: 5 });
    await link.up(soon());

    const letter = link.publish('from/us', 'letter', { qos: 1 });

    await expect(letter).rejects.toMatchObject({
      code: 'BROKER_PUBLISH_REFUSED',
      facts: { topic: 'from/us', reason: 135 },
    });
  });

  test('a letter that is refused is a matter for a person, until one is taken on that topic', async () => {
    const rules = accessList('topic read #', 'topic write from/else');
    await using mosquitto = await startMosquitto(['allow_anonymous true', `acl_file ${rules}`]);
    const link = openLink({ servers: at(mosquitto.port), protocolVersion: 5 });
    await link.up(soon());

    await Promise.allSettled([
      link.publish('from/us', 'letter', { qos: 1 }),
      link.publish('about/us', 'whoever says it tells of it', { qos: 1, retain: true }),
      link.publish('from/else', 'letter', { qos: 1 }),
    ]);
    const failure = link.failure;
    appendFileSync(rules, 'topic write from/us\n');
    await mosquitto.kill();
    await mosquitto.start();
    await expect
      .poll(() =>
        link.publish('from/us', 'letter', { qos: 1 }).then(
          () => link.failure,
          () => 'refused',
        ),
      )
      .toBe(null);

    expect(failure).toMatchObject({ code: 'BROKER_PUBLISH_REFUSED', remedy: expect.stringContaining('access list') });
    expect(link.notes).toContainEqual({
      condition: 'blocked',
      text: expect.stringMatching(/^cannot publish on from\/us: .*reason code 135$/),
    });
    expect(link.notes.at(-1)).toBe(null);
  });

  lifeTest('an instance whose status events are refused waits for a person', async ({ life }) => {
    const rules = accessList(
      'topic read #',
      'topic write initializer/#',
      'topic write cartridge-agent/#',
      'topic write topology/#',
    );
    await using mosquitto = await startMosquitto(['allow_anonymous true', `acl_file ${rules}`]);
    const server = { host: '127.0.0.1', port: mosquitto.port };
    await life.platform({ broker: { server }, members: [ownMember('Initialized')] });

    const agent = await life.agent({ conf: { 'mb.urls': `127.0.0.1:${mosquitto.port}`, 'mb.protocol.version': '5' } });
    await agent.logged(({ condition }) => condition === 'blocked');
    const status = await statusOf(join(life.folder, 'state'));

    expect(status).toMatchObject({
      ...{ state: 'started', condition: 'blocked' },
      next: { who: 'person', what: expect.stringContaining('access list of the broker') },
      link: { state: 'up', code: 'BROKER_PUBLISH_REFUSED' },
    });
    expect(status.why[0]).toMatch(/^cannot publish on instance\/status\/InstanceStartedEvent: .*reason code 135$/);
  });

  test('why the broker hung up is told', async () => {
    await using mosquitto = await startMosquitto();
    const link = openLink({ servers: at(mosquitto.port), protocolVersion: 5, timings: quick });
    await link.up(soon());

    // Nobody may write to a wildcard.
    await link.publish('from/#', '', { qos: 0 });
    await expect.poll(() => link.lines('broker.failed').length).toBe(1);

    expect(link.lines('broker.failed')).toMatchObject([
      { code: 'BROKER_HUNG_UP', err: { reason: expect.toBeOneOf([129, 130]) } },
    ]);
  });

  test('requests that are refused are told of, and no reason to end', async () => {
    const rules = accessList('topic read #');
    await using mosquitto = await startMosquitto(['allow_anonymous true', `acl_file ${rules}`]);
    const link = openLink({ servers: at(mosquitto.port), protocolVersion: 5 });
    const log = recordedLog();
    const stopping = new AbortController();
    const requests = createRequests({ broker: link, log: log.log, signal: stopping.signal });

    const asking = requests.topologyUntilAnswered(soon());
    await expect.poll(() => log.lines('request.refused').length, { timeout: 9_000 }).toBe(2);
    requests.answered('complete');
    await asking;
    stopping.abort();

    expect(log.lines('request.refused')).toMatchObject([
      { level: 'warn', request: 'CompleteTopologyRequestEvent', code: 'BROKER_PUBLISH_REFUSED' },
      { level: 'debug' },
    ]);
    expect(log.lines('request.published')).toEqual([]);
  });
});

test('a second agent that takes our session over is what we say', async () => {
  // CONNACK, and DISCONNECT with 0x8e: not every broker tells.
  const server = createServer((socket) => {
    socket.on('error', () => {}).once('data', () => socket.end(Buffer.from([0x20, 3, 0, 0, 0, 0xe0, 2, 0x8e, 0])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());

  const link = openLink({ servers: at((server.address() as AddressInfo).port), protocolVersion: 5, timings: quick });
  await expect.poll(() => link.lines('broker.failed').length).toBeGreaterThan(0);

  expect(link.lines('broker.failed')[0]).toMatchObject({
    code: 'BROKER_HUNG_UP',
    remedy: expect.stringContaining('MEMBER_ID'),
    err: { reason: 142, message: expect.stringContaining('session taken over') },
  });
});

test('a broker that speaks MQTT 3.1.1 only is told of, with the key to set', async () => {
  const broker = await startEmbeddedBroker();

  const link = openLink({ servers: at(broker.port), protocolVersion: 5, timings: quick });
  await expect.poll(() => link.lines('broker.failed').length).toBeGreaterThan(0);
  await broker.close();

  expect(link.lines('broker.failed')[0]).toMatchObject({
    level: 'warn',
    code: 'BROKER_CONNECTION_REFUSED',
    remedy: expect.stringContaining('mb.protocol.version = 4'),
  });
});
