import { test as plainTest } from 'vitest';
import { startEmbeddedBroker } from '../agent/demo/broker.ts';
import { createRequests, type Requests } from '../agent/requests.ts';
import { expect, onTestFinished } from './support/current-test.ts';
import { at, type Link, openLink, recordedLog, soon, spectate } from './support/link.ts';
import { startProxy, type Proxy as TcpProxy } from './support/proxy.ts';

const topology = 'CompleteTopologyRequestEvent';
const tenants = 'CompleteTenantRequestEvent';
const signUps = 'CompleteApplicationSignUpsRequestEvent';

/** One agent's requests, and who hears them. */
type Setting = {
  readonly link: Link;
  readonly proxy: TcpProxy;
  readonly requests: Requests;
  /** The names of the requests heard so far. */
  asked(): string[];
  /** Breaks the link; resolves when it is up again. */
  reconnect(): Promise<void>;
};

const test = plainTest.extend<{ spreadMs: number; setting: Setting }>({
  spreadMs: 0,
  setting: async ({ spreadMs }, use) => {
    await using stack = new AsyncDisposableStack();
    const broker = stack.adopt(await startEmbeddedBroker(), (it) => it.close());
    const proxy = stack.use(await startProxy(broker.port));
    const { heard } = await spectate(broker.port);
    const { log } = recordedLog();
    const stopping = new AbortController();
    onTestFinished(() => stopping.abort());
    const link = openLink({ servers: at(proxy.port), timings: { backOffMs: 20 } });
    const requests = createRequests({ broker: link, log, signal: stopping.signal, reconnectSpreadMs: spreadMs });
    await link.up(soon());
    await use({
      ...{ link, proxy, requests },
      asked: () =>
        heard
          .filter(({ topic }) => topic.startsWith('initializer/'))
          .map(({ topic }) => topic.slice('initializer/'.length)),
      reconnect: async () => {
        const before = link.lines('broker.connected').length;
        proxy.cut();
        await expect.poll(() => link.lines('broker.connected').length, { timeout: 5_000 }).toBe(before + 1);
        await link.up(soon());
      },
    });
  },
});

test.concurrent('the topology is asked for until it comes, whatever else comes', async ({
  setting: { requests, asked },
}) => {
  const answered = requests.topologyUntilAnswered(soon());
  await expect.poll(asked).toEqual([topology]);

  requests.answered('completeTenants');
  await expect.poll(asked, { timeout: 8_000 }).toEqual([topology, topology]);
  requests.answered('complete');

  await answered;
});

test.concurrent('after a reconnect all is asked for again', async ({ setting: { requests, asked, reconnect } }) => {
  requests.answered('complete');

  await reconnect();

  await expect.poll(asked).toEqual([topology, tenants, signUps]);
});

test.concurrent('before the first topology a reconnect asks for nothing: somebody is asking already', async ({
  setting,
}) => {
  const { requests, asked, reconnect, link } = setting;

  await reconnect();
  requests.answered('complete');
  await reconnect();
  await expect.poll(asked).toHaveLength(3);
  await link.publish('to/us/end', '', { qos: 1 });

  expect(asked()).toEqual([topology, tenants, signUps]);
});

const patient = test.extend('spreadMs', 2_000);

patient.concurrent('what was answered while we waited is not asked for again', async ({ setting }) => {
  const { requests, asked, reconnect, link } = setting;
  requests.answered('complete');
  requests.answered('completeSignUps');
  // Somebody else has asked, right away.
  link.onLink((change) => {
    if (change === 'up') for (const answer of ['complete', 'completeTenants']) requests.answered(answer);
  }, soon());

  await reconnect();

  await expect.poll(asked, { timeout: 4_000 }).toEqual([signUps]);
});

patient.concurrent(
  'a link that flaps does not ask each time',
  async ({ setting: { requests, asked, proxy, link } }) => {
    requests.answered('complete');
    let losses = 0;
    const flap = () => {
      losses += 1;
      proxy.cut();
    };
    link.onLink((change) => (change === 'up' && losses < 6 ? flap() : undefined), soon());

    flap();
    await expect.poll(asked, { timeout: 5_000 }).toContain(signUps);
    await link.publish('to/us/end', '', { qos: 1 });

    // The wait is random: a short one may be over before the link breaks again.
    expect(asked().filter((name) => name === topology).length).toBeLessThanOrEqual(3);
  },
);

plainTest.concurrent('many agents that come back at once do not ask at once', async () => {
  const broker = await startEmbeddedBroker();
  onTestFinished(() => broker.close());
  await using proxy = await startProxy(broker.port);
  const { client } = await spectate(broker.port);
  const times: number[] = [];
  client.on('message', (topic) => void (topic.endsWith(topology) && times.push(performance.now())));
  const { log } = recordedLog();
  const links = Array.from({ length: 20 }, (_, number) => {
    const link = openLink({ servers: at(proxy.port), clientId: `agent-${number}`, timings: { backOffMs: 20 } });
    const signal = new AbortController().signal;
    createRequests({ broker: link, log, signal, reconnectSpreadMs: 1_000 }).answered('complete');
    return link;
  });
  await Promise.all(links.map((link) => link.up(soon())));

  proxy.cut();
  await expect.poll(() => times.length, { timeout: 5_000 }).toBe(20);

  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(500);
});
