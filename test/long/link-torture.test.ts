import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { describe, test } from 'vitest';
import { expect, onTestFailed, onTestFinished } from '../support/current-test.ts';
import { at, type Link, openLink, soon } from '../support/link.ts';
import { hasMosquitto, startMosquitto } from '../support/mosquitto.ts';
import { type Packet, startProxy, type Proxy as TcpProxy } from '../support/proxy.ts';

const impatient = { backOffMs: 20, backOffLimitMs: 100, stableMs: 500, keepaliveSeconds: 1, upWithinMs: 1_000 };
const count = 300;
const numbers = Array.from({ length: count }, (_, number) => number);

describe.skipIf(!hasMosquitto).concurrent('on a real broker', () => {
  test('nothing is lost and order is kept over a link that breaks in every way there is', async () => {
    await using mosquitto = await startMosquitto();
    await using proxy = await startProxy(mosquitto.port);
    const link = openLink({ servers: at(proxy.port), timings: impatient });
    const platform = await startPeer(mosquitto.port);
    await link.up(soon());

    const broken = new AbortController();
    const torture = torment(proxy, broken.signal);
    await Promise.all([talk(link), platform.talk()]);
    broken.abort();
    await torture;
    await expect.poll(() => firsts(platform.heard), { timeout: 10_000 }).toHaveLength(count);
    await expect.poll(() => firsts(link.messages.map(({ text }) => text)), { timeout: 10_000 }).toHaveLength(count);

    expect(firsts(platform.heard)).toEqual(numbers);
    expect(firsts(link.messages.map(({ text }) => text))).toEqual(numbers);
    expect(proxy.connections).toBeGreaterThan(5);
  });

  test('a broker that is killed and comes back with what it kept: nothing of that is lost', async () => {
    await using mosquitto = await startMosquitto(undefined, { onDisk: true });
    await using proxy = await startProxy(mosquitto.port);
    const link = openLink({ servers: at(proxy.port), timings: impatient });
    const platform = await startPeer(mosquitto.port);
    await link.up(soon());

    proxy.accepts = false;
    proxy.cut();
    await expect.poll(() => link.link).toBe('down');
    const letters = numbers.slice(0, 50).map((number) => link.publish('from/us', String(number), { qos: 1 }));
    await platform.talk();
    // Mosquitto writes its file between two rounds: these are answered in later rounds than the last one above.
    for (const round of ['first', 'second']) await platform.client.publishAsync(`round/${round}`, '', { qos: 1 });
    await mosquitto.kill();
    await mosquitto.start();
    await expect.poll(() => platform.client.connected, { timeout: 5_000 }).toBe(true);
    proxy.accepts = true;
    await Promise.all(letters);
    await expect.poll(() => link.messages.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
    await expect.poll(() => firsts(platform.heard), { timeout: 10_000 }).toHaveLength(50);

    expect(firsts(link.messages.map(({ text }) => text))).toEqual(numbers);
    expect(firsts(platform.heard)).toEqual(numbers.slice(0, 50));
    expect(link.lines('broker.sessionLost')).toEqual([]);
  });

  test('a list of three brokers, of which one or two are gone at any time: every letter arrives, in order', async () => {
    const stack = new AsyncDisposableStack();
    onTestFinished(() => stack.disposeAsync());
    const proxies: TcpProxy[] = [];
    const peers: Peer[] = [];
    for (let place = 0; place < 3; place += 1) {
      const mosquitto = stack.use(await startMosquitto());
      proxies.push(stack.use(await startProxy(mosquitto.port)));
      peers.push(await startPeer(mosquitto.port));
    }
    const random = randomFrom(seedOf());
    const link = openLink({
      servers: at(...proxies.map(({ port }) => port)),
      timings: { ...impatient, probeEveryMs: 50, probesNeeded: 2 },
    });
    await link.up(soon());

    const talking = talk(link);
    let isTalking = true;
    void talking.finally(() => {
      isTalking = false;
    });
    while (isTalking) {
      const alive = Math.floor(random() * 3);
      for (const [place, proxy] of proxies.entries()) {
        proxy.accepts = place === alive || random() < 0.3;
        if (!proxy.accepts) proxy.cut();
      }
      await sleep(100 + random() * 300);
    }
    await talking;
    const all = () => peers.flatMap(({ heard }) => heard.map(Number)).toSorted((one, other) => one - other);
    await expect.poll(() => [...new Set(all())], { timeout: 10_000 }).toEqual(numbers);

    for (const { heard } of peers) {
      const inOrder = firsts(heard);
      expect(inOrder).toEqual(inOrder.toSorted((one, other) => one - other));
    }
    expect(new Set(link.lines('broker.connected').map(({ port }) => port)).size).toBeGreaterThan(1);
  });
});

type Peer = { readonly client: MqttClient; readonly heard: string[]; talk(): Promise<void> };

/** The platform's end: it has a session too, and its own link does not break. */
async function startPeer(port: number): Promise<Peer> {
  const heard: string[] = [];
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    ...{ clientId: 'platform', clean: false, reconnectPeriod: 50 },
  });
  onTestFinished(() => client.endAsync(true));
  client.on('message', (_topic, payload) => heard.push(payload.toString()));
  await client.subscribeAsync('from/us', { qos: 1 });
  return {
    client,
    heard,
    talk: async () => {
      for (const number of numbers) {
        await client.publishAsync('to/us/number', String(number), { qos: 1 });
        await sleep(5);
      }
    },
  };
}

/** One letter after the other, as the outbox does: the next one when this one is acknowledged. */
async function talk(link: Link): Promise<void> {
  for (const number of numbers) {
    await link.up(AbortSignal.timeout(20_000));
    await link.publish('from/us', String(number), { qos: 1 });
    await sleep(5);
  }
}

/** Does one harm after the other, until it is told to stop; then all is well. */
async function torment(proxy: TcpProxy, signal: AbortSignal): Promise<void> {
  const random = randomFrom(seedOf());
  const harms: readonly (() => Promise<void>)[] = [
    async () => proxy.cut(),
    // Both ends believe in it; what is held is lost with it.
    async () => {
      const last = proxy.connections;
      proxy.fate = ({ connection }) => (connection <= last ? 'hold' : 'pass');
      await sleep(1_600 + random() * 600);
      proxy.cut();
    },
    // One direction only.
    ...(['client', 'broker'] as const).map((from) => async () => {
      proxy.fate = (packet: Packet) => (packet.from === from ? 'hold' : 'pass');
      await sleep(50 + random() * 100);
      proxy.cut();
    }),
    // Late, but whole.
    async () => {
      proxy.fate = () => 'hold';
      await sleep(100 + random() * 200);
      proxy.fate = () => 'pass';
      proxy.release();
    },
    ...(['PUBLISH', 'PUBACK', 'SUBACK', 'CONNACK'] as const).map((type) => async () => {
      proxy.fate = (packet: Packet) => (packet.type === type && random() < 0.3 ? 'cut' : 'pass');
      if (type === 'SUBACK' || type === 'CONNACK') proxy.cut();
      await sleep(200);
    }),
    async () => {
      proxy.accepts = false;
      proxy.cut();
      await sleep(100);
    },
  ];
  while (!signal.aborted) {
    for (const harm of harms.toSorted(() => random() - 0.5)) {
      if (signal.aborted) break;
      await harm();
      proxy.accepts = true;
      proxy.fate = () => 'pass';
      await sleep(100 + random() * 100);
    }
  }
  proxy.release();
}

/** At least once: what comes again is dropped. */
function firsts(texts: readonly string[]): number[] {
  return [...new Set(texts.map(Number))];
}

function seedOf(): number {
  const seed = Math.floor(Math.random() * 2 ** 31);
  onTestFailed(() => void process.stderr.write(`seed ${seed}\n`));
  return seed;
}

/** The same numbers for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
