import { describe, test as plainTest } from 'vitest';
import { startEmbeddedBroker } from '../agent/demo/broker.ts';
import { createPresence, type PresenceTimings, type Snapshot } from '../agent/presence/presence.ts';
import { Presence, presenceTopic } from '../state/messages/presence.ts';
import { accessList } from './support/access-list.ts';
import { expect, onTestFinished } from './support/current-test.ts';
import { brokers } from './support/life.ts';
import { at, openLink, recordedLog, retained, soon, spectate } from './support/link.ts';
import { hasMosquitto, startMosquitto } from './support/mosquitto.ts';
import { type Packet, startProxy } from './support/proxy.ts';
import { hasSession } from './support/session.ts';
import { startStrictBroker } from './support/strict-broker.ts';

const memberId = 'shop-1';
const topic = presenceTopic(memberId);
const clientId = 'cartridge-agent-shop-1';
const active: Snapshot = { state: 'active', condition: 'ok', message: '', artifact: null };

describe.concurrent.for(brokers)('over the %s broker', (kind) => {
  const test = plainTest.extend<{ port: number }>({
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads the parameter
    port: async ({}, use) => {
      await using stack = new AsyncDisposableStack();
      if (kind === 'mosquitto') await use(stack.use(await startMosquitto()).port);
      else await use(stack.adopt(await startEmbeddedBroker(), (it) => it.close()).port);
    },
  });

  test('is told once we are subscribed, as the schema has it, and stays there', async ({ port }) => {
    await using proxy = await startProxy(port);
    const { presence, link } = speak(proxy.port, { runId: 'run-1' });

    const artifact = { tenantId: '1', commit: '3f9c2ab', drifted: false, provenance: null };
    presence.tell({ ...active, condition: 'degraded', message: 'why', artifact });
    await expect.poll(() => retained(port, topic)).not.toBeNull();
    const kept = await retained(port, topic);
    const order = proxy.packets.map(({ type, topic: on }) => on ?? type);

    expect(Presence.parse(kept)).toMatchObject({
      ...{ memberId, clusterId: 'shop', runId: 'run-1', host: 'host-a', agent: '0.1.0' },
      ...{ link: 'up', state: 'active', condition: 'degraded', message: 'why' },
      artifact,
    });
    expect(order.indexOf('SUBACK')).toBeLessThan(order.indexOf(topic));
    expect(link.lines('presence.notHeard')).toEqual([]);
  });

  test('of many changes the last one is told, and few of the others', async ({ port }) => {
    const { presence, link } = speak(port);
    const { heard } = await spectate(port);
    await link.up(soon());

    for (let percent = 0; percent <= 200; percent += 1) {
      presence.tell({ ...active, state: 'started', condition: 'waiting', message: `clone ${percent / 2} %` });
      if (percent % 20 === 0) await new Promise(setImmediate);
    }
    await expect.poll(async () => (await retained(port, topic))?.['message']).toBe('clone 100 %');

    expect(heard.length).toBeLessThan(8);
  });

  test('since is when state or condition changed, not when the message did', async ({ port }) => {
    const { presence } = speak(port);
    presence.tell(active);
    await expect.poll(() => retained(port, topic)).not.toBeNull();
    const before = await retained(port, topic);

    presence.tell({ ...active, message: 'in other words' });
    await expect.poll(async () => (await retained(port, topic))?.['message']).toBe('in other words');
    const sameCondition = await retained(port, topic);
    presence.tell({ ...active, condition: 'degraded' });
    await expect.poll(async () => (await retained(port, topic))?.['condition']).toBe('degraded');
    const otherCondition = await retained(port, topic);

    expect(sameCondition?.['since']).toBe(before?.['since']);
    expect(String(otherCondition?.['since']) > String(before?.['since'])).toBe(true);
  });

  test('the broker says for us that we are gone, and we that we are back', async ({ port }) => {
    await using proxy = await startProxy(port);
    const { presence } = speak(proxy.port, { runId: 'run-1' });
    presence.tell(active);
    await expect.poll(async () => (await retained(port, topic))?.['link']).toBe('up');

    proxy.accepts = false;
    proxy.cut();
    await expect.poll(async () => (await retained(port, topic))?.['link']).toBe('down');
    const will = await retained(port, topic);
    proxy.accepts = true;
    await expect.poll(async () => (await retained(port, topic))?.['link'], { timeout: 5_000 }).toBe('up');

    expect(Presence.parse(will)).toMatchObject({ memberId, runId: 'run-1', state: null, condition: null, since: null });
    expect(await retained(port, topic)).toMatchObject({ runId: 'run-1', state: 'active', condition: 'ok' });
  });

  test('an agent that leaves says so, and how the instance is', async ({ port }) => {
    const { presence, link } = speak(port);
    presence.tell(active);
    await expect.poll(async () => (await retained(port, topic))?.['link']).toBe('up');

    await presence.leave('stopped by SIGTERM');
    await link.close();
    await expect.poll(() => hasSession(port, clientId)).toBe(true);

    expect(await retained(port, topic)).toMatchObject({
      ...{ link: 'down', state: 'active', condition: 'ok', message: 'stopped by SIGTERM' },
    });
  });

  test('of an instance that is gone nothing stays', async ({ port }) => {
    const { presence, link } = speak(port);
    const { heard } = await spectate(port);
    presence.tell(active);
    await expect.poll(() => heard.length).toBe(1);

    presence.tell({ ...active, state: 'obsolete' });
    await presence.clear();
    await link.endSession();

    expect(heard.at(-1)).toEqual({ topic, text: '' });
    expect(await retained(port, topic)).toBeNull();
    expect(await hasSession(port, clientId)).toBe(false);
  });

  test('a late will of an earlier run is put right, and so is what somebody has deleted', async ({ port }) => {
    const { presence, link } = speak(port, { runId: 'run-2' });
    const { client } = await spectate(port);
    presence.tell(active);
    await expect.poll(async () => (await retained(port, topic))?.['link']).toBe('up');
    await expect.poll(() => link.messages.length).toBe(1);

    const late = JSON.stringify({ runId: 'run-1', sequence: 7, link: 'down' });
    await client.publishAsync(topic, late, { qos: 1, retain: true });
    await expect.poll(async () => (await retained(port, topic))?.['runId']).toBe('run-2');
    await client.publishAsync(topic, '', { qos: 1, retain: true });
    await expect.poll(() => retained(port, topic)).not.toBeNull();
    await client.publishAsync(topic, 'gibberish', { qos: 1, retain: true });
    await expect.poll(async () => (await retained(port, topic).catch(() => null))?.['runId']).toBe('run-2');

    expect(link.lines('presence.identityTaken')).toEqual([]);
    expect(link.lines('presence.overwritten')).toHaveLength(1);
  });

  test('what an earlier run has left is no second agent', async ({ port }) => {
    await using proxy = await startProxy(port);
    const earlier = speak(proxy.port, { runId: 'run-1' });
    earlier.presence.tell(active);
    await expect.poll(async () => (await retained(port, topic))?.['link']).toBe('up');
    // Its machine is gone, and the broker does not know it yet: its will comes when we take over.
    proxy.fate = () => 'hold';
    proxy.accepts = false;
    earlier.presence.tell({ ...active, message: 'never heard' });
    const { presence, notes, link } = speak(port, { runId: 'run-2' });

    presence.tell(active);
    await expect.poll(async () => (await retained(port, topic))?.['runId']).toBe('run-2');
    presence.tell({ ...active, condition: 'degraded' });
    await expect.poll(() => link.messages.at(-1)?.text).toContain('"condition":"degraded"');

    expect(link.messages.map(({ text }) => JSON.parse(text).runId)).toContain('run-1');
    expect(notes).toEqual([]);
  });

  test('a second agent is named, and not fought with', async ({ port }) => {
    const { presence, notes, link } = speak(port, { runId: 'run-1' });
    const { client, heard } = await spectate(port);
    presence.tell(active);
    await expect.poll(() => link.messages.length).toBe(1);

    for (let sequence = 1; sequence <= 10; sequence += 1) {
      const other = JSON.stringify({ runId: 'run-x', sequence, link: 'up', host: 'host-b' });
      await client.publishAsync(topic, other, { qos: 1, retain: true });
    }
    await expect.poll(() => link.messages.length).toBeGreaterThanOrEqual(11);

    expect(link.lines('presence.identityTaken')).toMatchObject([
      {
        level: 'error',
        code: 'BROKER_IDENTITY_TAKEN',
        remedy: expect.stringMatching(/run run-x on host host-b/),
        err: { otherHost: 'host-b', otherRunId: 'run-x' },
      },
    ]);
    expect(notes).toMatchObject([{ condition: 'degraded', text: expect.stringContaining('host-b') }]);
    expect(heard.filter(({ text }) => text.includes('run-1')).length).toBeLessThanOrEqual(2);
  });

  test('a second agent that has gone silent is forgotten', async ({ port }) => {
    const { presence, notes, link } = speak(port, { timings: { forgetMs: 200 } });
    const { client } = await spectate(port);
    presence.tell(active);
    await expect.poll(() => link.messages.length).toBe(1);

    await client.publishAsync(topic, JSON.stringify({ runId: 'run-x', sequence: 1, link: 'up' }), { qos: 1 });
    await expect.poll(() => notes.length).toBe(2);

    expect(notes[1]).toBeNull();
  });

  test('two agents that push each other out of the session both say so, and slow down', async ({ port }) => {
    await using proxy = await startProxy(port);
    const both = ['run-1', 'run-2'].map((runId) => speak(proxy.port, { runId }));
    for (const { presence } of both) presence.tell(active);

    for (const { link } of both)
      await expect.poll(() => link.lines('presence.identityTaken').length, { timeout: 15_000 }).toBeGreaterThan(0);
    const startedAtMs = performance.now();
    const before = proxy.connections;
    await expect.poll(() => performance.now() - startedAtMs, { timeout: 5_000 }).toBeGreaterThan(2_000);

    // Without a pause between two attempts it would be forty a second.
    expect(proxy.connections - before).toBeLessThan(8);
  });

  test('a link that is open at our end only is found dead, and replaced', async ({ port }) => {
    await using proxy = await startProxy(port);
    const { presence, link } = speak(proxy.port, { timings: { echoLimitMs: 500 } });
    presence.tell(active);
    await expect.poll(() => link.messages.length).toBe(1);
    // It may come after the echo, and nothing more is told before it.
    await expect.poll(() => proxy.packets.filter(isAcknowledgement)).toHaveLength(1);

    proxy.fate = ({ connection }) => (connection === 1 ? 'hold' : 'pass');
    presence.tell({ ...active, condition: 'degraded', message: 'not everybody knows' });
    await expect.poll(async () => (await retained(port, topic))?.['condition'], { timeout: 10_000 }).toBe('degraded');

    expect(link.lines('broker.failed')).toMatchObject([{ level: 'warn', code: 'BROKER_LINK_DEAD' }]);
    expect(proxy.connections).toBe(2);
  });

  test('acknowledged, but not brought back any more: the link is replaced', async ({ port }) => {
    await using proxy = await startProxy(port);
    const { presence, link } = speak(proxy.port, { timings: { echoLimitMs: 500 } });
    presence.tell(active);
    await expect.poll(() => link.messages.length).toBe(1);

    proxy.fate = ({ connection, from, type }) =>
      connection === 1 && from === 'broker' && type === 'PUBLISH' ? 'hold' : 'pass';
    presence.tell({ ...active, message: 'again' });
    await expect.poll(() => link.messages.at(-1)?.text, { timeout: 10_000 }).toContain('again');

    expect(proxy.connections).toBe(2);
  });

  test('an echo that waits behind much else is waited for', async ({ port }) => {
    await using proxy = await startProxy(port);
    const { presence, link } = speak(proxy.port, { timings: { echoLimitMs: 400 } });
    const { client } = await spectate(port);
    presence.tell(active);
    await expect.poll(() => link.messages.length).toBe(1);

    proxy.fate = ({ from, topic: on }) => (from === 'broker' && on === topic ? 'hold' : 'pass');
    presence.tell({ ...active, message: 'again' });
    for (let number = 0; number < 15; number += 1) {
      await client.publishAsync(`to/us/${number}`, '', { qos: 1 });
      await new Promise((resolve) => setTimeout(resolve, 80));
    }
    proxy.release();
    proxy.fate = () => 'pass';
    await expect.poll(() => link.messages.at(-1)?.text).toContain('again');

    expect(proxy.connections).toBe(1);
  });
});

plainTest('a broker that does not let us hear ourselves is told of once, and kept', async () => {
  await using strict = await startStrictBroker({
    authorizeSubscribe: ({ id }, subscription, done) =>
      done(null, id === clientId && subscription.topic === topic ? null : subscription),
  });
  const { presence, link } = speak(strict.port, { timings: { echoLimitMs: 200, gapMs: 10 } });

  presence.tell(active);
  await expect.poll(() => link.lines('presence.notHeard').length).toBe(1);
  presence.tell({ ...active, message: 'again' });
  await expect.poll(async () => (await retained(strict.port, topic))?.['message']).toBe('again');
  await link.publish('to/us/later', '', { qos: 1 });

  expect(link.link).toBe('up');
  expect(link.lines('broker.connected')).toHaveLength(1);
  expect(link.lines('presence.notHeard')).toMatchObject([{ level: 'warn', code: 'PRESENCE_NOT_HEARD' }]);
});

plainTest.skipIf(!hasMosquitto)(
  'over MQTT 5, a broker that does not take what we say of ourselves is told of once, and kept',
  async () => {
    const rules = accessList('topic read #', 'topic write to/us/#');
    await using mosquitto = await startMosquitto(['allow_anonymous true', `acl_file ${rules}`]);
    const { presence, link } = speak(mosquitto.port, {
      ...{ protocolVersion: 5, timings: { echoLimitMs: 200, gapMs: 10 } },
    });

    presence.tell(active);
    await expect.poll(() => link.lines('presence.notTold').length).toBe(1);
    presence.tell({ ...active, message: 'again' });
    await expect.poll(() => link.lines('presence.notTold').length).toBe(2);
    const toldMs = performance.now();
    await expect.poll(() => performance.now() - toldMs).toBeGreaterThan(500);
    await link.publish('to/us/later', '', { qos: 1 });

    expect(link.link).toBe('up');
    expect(link.lines('broker.connected')).toHaveLength(1);
    expect(link.lines('presence.notHeard')).toMatchObject([
      { level: 'warn', code: 'PRESENCE_NOT_HEARD', remedy: expect.stringContaining('access list') },
    ]);
  },
);

plainTest('the topic of a member has one last level, whatever its name', () => {
  expect(presenceTopic('php/1+#.domain')).toBe('cartridge-agent/presence/php-1--.domain');
});

function isAcknowledgement({ from, type }: Packet): boolean {
  return from === 'broker' && type === 'PUBACK';
}

/** One agent's presence over its own link. */
function speak(
  port: number,
  options: { runId?: string; timings?: Partial<PresenceTimings>; protocolVersion?: 4 | 5 } = {},
) {
  const log = recordedLog();
  const notes: unknown[] = [];
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  const { runId = 'run-1', timings = {}, protocolVersion = 4 } = options;
  const presence = createPresence({
    identity: { memberId, clusterId: 'shop', runId, host: 'host-a', agent: '0.1.0' },
    log: log.log,
    onNote: (note) => notes.push(note),
    timings: { gapMs: 50, ...timings },
  });
  const link = openLink({
    servers: at(port),
    protocolVersion,
    log,
    subscriptions: { 'to/us/#': 1, [presence.topic]: 1 },
    will: presence.will,
    onMessage: (on, payload) => void presence.hear(on, payload),
  });
  presence.over(link, stopping.signal);
  return { presence, link, notes };
}
