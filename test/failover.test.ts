import { test } from 'vitest';
import { createRoute } from '../agent/broker/route.ts';
import { defaultTimings } from '../agent/broker/timings.ts';
import { startEmbeddedBroker } from '../agent/demo/broker.ts';
import { createPresence } from '../agent/presence/presence.ts';
import { Secret } from '../state/secret.ts';
import { expect } from './support/current-test.ts';
import { at, type Link, openLink, recordedLog, retained, soon, spectate } from './support/link.ts';
import { freePort, hasMosquitto, startMosquitto } from './support/mosquitto.ts';
import { startProxy } from './support/proxy.ts';
import { hasSession } from './support/session.ts';
import { startStrictBroker } from './support/strict-broker.ts';

const clientId = 'cartridge-agent-shop-1';
const quick = { backOffMs: 20, stableMs: 100, probeEveryMs: 60 };

test.concurrent('the brokers are tried in their order, and the first that works is used', async () => {
  const [one, two] = [await freePort(), await freePort()];
  const third = await startEmbeddedBroker();

  const link = openLink({ servers: at(one, two, third.port), timings: quick });
  await link.up(soon());
  const failed = link.lines('broker.failed').map(({ port }) => port);
  await third.close();

  expect(failed).toEqual([one, two]);
  expect(link.lines('broker.connected')).toMatchObject([{ port: third.port }]);
});

test.concurrent('nobody is told that no broker can be used before each of them was tried', async () => {
  const refusing = () =>
    startStrictBroker({
      authenticate: (_client, _user, _given, done) => done(Object.assign(new Error('no'), { returnCode: 5 }), null),
    });
  await using one = await refusing();
  await using two = await refusing();
  const good = await startEmbeddedBroker();

  const lucky = openLink({ servers: at(one.port, good.port), timings: quick });
  await lucky.up(soon());
  const [failed, told] = [lucky.lines('broker.failed'), toldBy(lucky)];
  await lucky.close();
  const unlucky = openLink({ servers: at(one.port, two.port), timings: quick });
  await expect.poll(() => toldBy(unlucky)).not.toEqual([]);
  await good.close();

  expect(failed).toMatchObject([{ port: one.port, code: 'BROKER_LOGIN_REFUSED' }]);
  expect(told).toEqual([]);
  const text = expect.stringMatching(`no broker can be used: .*:${one.port}: .*:${two.port}: `);
  expect(toldBy(unlucky)[0]).toEqual({ condition: 'blocked', text });
});

test.concurrent('a broker that was good for long is the first choice again, at once, when it is lost', async () => {
  const [one, two] = [await startEmbeddedBroker(), await startEmbeddedBroker()];
  await using first = await startProxy(one.port);
  const link = openLink({ servers: at(first.port, two.port), timings: { ...quick, backOffMs: 30_000 } });
  await link.up(soon());
  const upAtMs = performance.now();
  await expect.poll(() => performance.now() - upAtMs).toBeGreaterThan(200);

  first.cut();
  await expect.poll(() => link.lines('broker.connected').length).toBe(2);
  const ports = link.lines('broker.connected').map(({ port }) => port);
  await Promise.all([one.close(), two.close()]);

  expect(ports).toEqual([first.port, first.port]);
});

test
  .skipIf(!hasMosquitto)
  .concurrent('goes back to the first broker when it is back, and loses nothing on the way', async () => {
    await using one = await startMosquitto();
    await using two = await startMosquitto();
    const port = await freePort();
    const link = openLink({ servers: at(port, two.port), timings: { ...quick, probesNeeded: 2 } });
    const [here, there] = [await spectate(one.port), await spectate(two.port)];
    await link.up(soon());
    const usedAtFirst = link.server.port;
    const talking = talk(link, 400);

    await expect.poll(() => there.heard.length).toBeGreaterThan(20);
    // Not before: a proxy that hangs up on everybody looks well to a probe.
    await using first = await startProxy(one.port, { port });
    await talking;
    await expect.poll(() => there.heard.length + here.heard.length).toBeGreaterThanOrEqual(400);
    const said = [...there.heard, ...here.heard].map(({ text }) => Number(text));

    expect(usedAtFirst).toBe(two.port);
    expect(link.server.port).toBe(first.port);
    expect(said).toEqual(Array.from({ length: 400 }, (_, number) => number));
    expect(link.lines('broker.returning')).toHaveLength(1);
    expect(link.lines('broker.disconnected')).toEqual([]);
    expect(await hasSession(two.port, clientId)).toBe(true);
  });

test
  .skipIf(!hasMosquitto)
  .concurrent('what came to the old broker meanwhile is heard when we are there again', async () => {
    await using one = await startMosquitto();
    await using two = await startMosquitto();
    const port = await freePort();
    const link = openLink({ servers: at(port, two.port), timings: { ...quick, probesNeeded: 1 } });
    await link.up(soon());
    await using first = await startProxy(one.port, { port });
    await expect.poll(() => link.lines('broker.connected').length).toBe(2);
    const { client } = await spectate(two.port);

    await client.publishAsync('to/us/kept', '1', { qos: 1 });
    first.accepts = false;
    first.cut();
    await expect.poll(() => link.messages, { timeout: 5_000 }).toEqual([{ topic: 'to/us/kept', text: '1' }]);
  });

test
  .skipIf(!hasMosquitto)
  .concurrent('the old broker is told where we are, and at the end forgets us like the new one', async () => {
    await using one = await startMosquitto();
    await using two = await startMosquitto();
    const port = await freePort();
    const log = recordedLog();
    const presence = createPresence({
      identity: { memberId: 'shop-1', clusterId: 'shop', runId: 'run-1', host: 'host-a', agent: '0.1.0' },
      log: log.log,
    });
    const link = openLink({
      servers: at(port, two.port),
      timings: { ...quick, probesNeeded: 1, stableMs: 5_000 },
      log,
      subscriptions: { [presence.topic]: 1 },
      will: presence.will,
      onMessage: (topic, payload) => void presence.hear(topic, payload),
    });
    presence.over(link, new AbortController().signal);
    presence.tell({ state: 'active', condition: 'ok', message: '', artifact: null });
    await expect.poll(async () => (await retained(two.port, presence.topic))?.['link']).toBe('up');

    await using first = await startProxy(one.port, { port });
    await expect.poll(async () => (await retained(one.port, presence.topic))?.['link'], { timeout: 5_000 }).toBe('up');
    const atOld = await retained(two.port, presence.topic);
    await presence.clear();
    await link.endSession();

    expect(atOld).toMatchObject({ link: 'down', state: 'active', message: `has moved to 127.0.0.1:${first.port}` });
    for (const { port } of [one, two]) {
      expect(await retained(port, presence.topic)).toBeNull();
      expect(await hasSession(port, clientId)).toBe(false);
    }
  });

test
  .skipIf(!hasMosquitto)
  .concurrent('at the end every broker of the list forgets us, also those an earlier run was at', async () => {
    await using one = await startMosquitto();
    await using two = await startMosquitto();
    const will = () => ({ topic: 'will/of/us', payload: '{"link":"down"}' });
    const earlier = openLink({ servers: at(two.port), will });
    await earlier.up(soon());
    await earlier.publish('will/of/us', '{"link":"down"}', { qos: 1, retain: true });
    await earlier.close();
    expect(await hasSession(two.port, clientId)).toBe(true);

    const link = openLink({ servers: at(one.port, two.port, await freePort()), will });
    await link.up(soon());
    await link.endSession();

    expect(link.lines('broker.connected')).toHaveLength(1);
    for (const { port } of [one, two]) expect(await hasSession(port, clientId)).toBe(false);
    expect(await retained(two.port, 'will/of/us')).toBeNull();
  });

test.concurrent('a broker that answers and lets nobody in is left again, and returned to ever more rarely', async () => {
  const two = await startEmbeddedBroker();
  // It takes connections, so it looks well from outside.
  await using first = await startProxy(two.port);
  first.accepts = false;

  const link = openLink({
    servers: at(first.port, two.port),
    timings: { ...quick, probeEveryMs: 20, probesNeeded: 1 },
  });
  await expect.poll(() => link.lines('broker.returning').length, { timeout: 10_000 }).toBe(3);
  await expect.poll(() => link.link).toBe('up');
  const needed = link.lines('broker.probed').map((line) => line['needed']);
  await two.close();

  expect([...new Set(needed)]).toEqual(expect.arrayContaining([1, 2, 4]));
  expect(needed.toSorted((one, other) => Number(one) - Number(other))).toEqual(needed);
});

test.concurrent('a broker that does not answer every time is not returned to', async () => {
  const two = await startEmbeddedBroker();
  const port = await freePort();
  const link = openLink({ servers: at(port, two.port), timings: { ...quick, probesNeeded: 1_000 } });
  const counts = () => link.lines('broker.probed').map(({ count }) => Number(count));
  await link.up(soon());

  const one = await startEmbeddedBroker({ port });
  await expect.poll(counts, { timeout: 5_000 }).toContain(2);
  await one.close();
  const probes = counts().length;
  await expect.poll(() => counts().length, { timeout: 5_000 }).toBeGreaterThan(probes + 2);
  await two.close();

  expect(counts().at(-1)).toBe(0);
  expect(link.lines('broker.returning')).toEqual([]);
});

test.concurrent('a refused login is told as a thing for a person, told again after a while, and over when it is mended', async () => {
  let isOpen = false;
  await using strict = await startStrictBroker({
    authenticate: (_client, _user, _password, done) =>
      isOpen ? done(null, true) : done(Object.assign(new Error('no'), { returnCode: 5 }), null),
  });

  const link = openLink({
    servers: at(strict.port),
    username: 'shop',
    password: new Secret('hidden-1'),
    timings: { ...quick, backOffLimitMs: 40, remindEveryMs: 300 },
  });
  await expect.poll(() => link.lines('broker.unreachable').length, { timeout: 5_000 }).toBe(2);
  const told = link.lines('broker.failed').filter(({ level }) => level === 'warn');
  isOpen = true;
  await link.up(soon());

  expect(told).toMatchObject([{ code: 'BROKER_LOGIN_REFUSED', err: { reason: '5' } }]);
  expect(link.lines('broker.unreachable')).toMatchObject([
    { level: 'warn', downForMs: expect.any(Number), code: 'BROKER_LOGIN_REFUSED', remedy: expect.any(String) },
    { level: 'warn' },
  ]);
  expect(Number(link.lines('broker.unreachable')[1]?.['downForMs'])).toBeGreaterThanOrEqual(600);
  expect(link.notes).toMatchObject([{ condition: 'blocked', text: expect.stringContaining('cannot log in') }, null]);
  expect(JSON.stringify(link.lines())).not.toContain('hidden-1');
});

test.concurrent('the pauses grow while nobody answers', async () => {
  const port = await freePort();

  const link = openLink({ servers: at(port), timings: { ...quick, backOffMs: 20, backOffLimitMs: 320 } });
  await expect.poll(() => link.lines('broker.failed').length, { timeout: 10_000 }).toBeGreaterThanOrEqual(16);
  const times = [...new Set(link.lines('broker.failed').map(({ time }) => Date.parse(String(time))))];
  const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));

  expect(Math.max(...pauses)).toBeGreaterThan(150);
});

test.concurrent('the pauses grow to 30 s, are never alike, and a good connection begins them anew', () => {
  const route = createRoute(at(1, 2), { ...defaultTimings, stableMs: -1 });

  const rounds = Array.from({ length: 20 }, () => [route.next(), route.next()]);
  route.connected();
  const afterGood = [route.server.port, route.next(), route.server.port];

  // The second server of the list is tried at once.
  expect(rounds.map(([inside]) => inside)).toEqual(rounds.map(() => 50));
  for (const [round, pauseMs] of rounds.map(([, between = 0]) => between).entries()) {
    const fullMs = Math.min(30_000, 500 * 2 ** round);
    expect(pauseMs).toBeGreaterThanOrEqual(fullMs / 2);
    expect(pauseMs).toBeLessThanOrEqual(fullMs);
  }
  expect(new Set(rounds.map(([, between]) => between)).size).toBe(rounds.length);
  expect(afterGood).toEqual([1, 50, 1]);
});

test.concurrent('a session that the broker has lost is told of, and we hear again', async () => {
  const port = await freePort();
  const before = await startEmbeddedBroker({ port });
  const link = openLink({ servers: at(port), timings: quick });
  await link.up(soon());
  await before.close();

  // Nothing of it is on disk.
  const after = await startEmbeddedBroker({ port });
  await expect.poll(() => link.lines('broker.connected').length, { timeout: 5_000 }).toBe(2);
  await expect.poll(() => link.link).toBe('up');
  await link.publish('to/us/again', 'heard', { qos: 1 });
  await expect.poll(() => link.messages.at(-1)?.text).toBe('heard');
  await after.close();

  expect(link.lines('broker.sessionLost')).toMatchObject([{ level: 'warn', port }]);
});

test.concurrent('a broker that takes us in and then says nothing is not waited for', async () => {
  const broker = await startEmbeddedBroker();
  await using proxy = await startProxy(broker.port);
  // What is on its way is sent again first, and this acknowledgement never comes.
  proxy.fate = ({ type, connection }) => (type === 'PUBACK' && connection <= 2 ? 'hold' : 'pass');
  const link = openLink({ servers: at(proxy.port), timings: { ...quick, upWithinMs: 500 } });
  await link.up(soon());
  const letter = link.publish('from/us', 'letter', { qos: 1 });
  await expect.poll(() => proxy.held).toBe(1);

  proxy.cut();
  await letter;
  await link.up(soon());
  await broker.close();

  expect(proxy.connections).toBe(3);
  expect(link.lines('broker.failed')).toMatchObject([{ code: 'BROKER_LINK_DEAD' }]);
});

test.concurrent('a silent broker is given up after one and a half keep-alives', async () => {
  const [one, two] = [await startEmbeddedBroker(), await startEmbeddedBroker()];
  await using first = await startProxy(one.port);
  const link = openLink({ servers: at(first.port, two.port), timings: { ...quick, keepaliveSeconds: 1 } });
  await link.up(soon());

  first.fate = () => 'hold';
  await expect.poll(() => link.lines('broker.disconnected').length, { timeout: 5_000 }).toBe(1);
  first.accepts = false;
  await link.up(soon());
  await expect.poll(() => link.server.port).toBe(two.port);
  await Promise.all([one.close(), two.close()]);
});

/** One letter after the other, as the outbox does: the next one when this one is acknowledged. */
async function talk(link: Link, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    await link.up(soon());
    await link.publish('from/us', String(number), { qos: 1 });
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function toldBy({ notes }: Link) {
  return notes.filter((note) => note !== null);
}
