import { setTimeout } from 'node:timers/promises';
import { describe } from 'vitest';
import type { Platform } from '../../agent/demo/platform.ts';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { createAuthority, hasOpenssl } from '../support/certificates.ts';
import { expect, onTestFinished } from '../support/current-test.ts';
import { anyBroker, lifeTest } from '../support/life.ts';
import { startProxy } from '../support/proxy.ts';
import { hasThrift, type ThriftServer } from '../support/thrift-peer.ts';
import { startThriftServer } from '../support/thrift-server.ts';

// A platform that gives up who is silent for 60 s, in its own time: nothing here is shortened.

const test = lifeTest.extend('broker', anyBroker);
const limitMs = 60_000;
const timeout = 5 * limitMs;
const wait = { timeout: 2 * limitMs, interval: 50 };

describe.skipIf(!hasThrift || !hasOpenssl).concurrent('a platform that listens to a CEP only', { timeout }, () => {
  test('gives up nobody while the broker, the agent and the CEP are away', async ({ life }) => {
    const certificate = createAuthority().issue('IP:127.0.0.1');
    const cep = await startThriftServer(certificate);
    const proxy = await startProxy(life.brokerPort);
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const platform = await life.platform({ members: [ownMember('Active')], statistics: 'elsewhere' });
    const conf = confFor(cep, proxy.port);
    const heardAt: number[] = [];
    handOn(cep, platform, heardAt);
    const first = await life.agent({ conf });
    await expect.poll(() => heardAt.length, wait).toBeGreaterThan(0);

    proxy.accepts = false;
    proxy.cut();
    await setTimeout(limitMs / 2);
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    // Without a broker, too: what the journal says counts.
    const killedAt = Date.now();
    await life.agent({ conf });
    await expect.poll(() => heardAt.at(-1) ?? 0, wait).toBeGreaterThan(killedAt);
    const isBackAfterMs = Date.now() - killedAt;
    await setTimeout(limitMs / 2);
    proxy.accepts = true;

    await cep.kill();
    await setTimeout(limitMs / 3);
    const again = await startThriftServer(certificate, { port: cep.port });
    const cepIsBackAt = Date.now();
    handOn(again, platform, heardAt);
    await expect.poll(() => heardAt.at(-1) ?? 0, wait).toBeGreaterThan(cepIsBackAt);

    expect(platform.faults).toEqual([]);
    expect(platform.memberStatus()).toBe('Active');
    expect(isBackAfterMs).toBeLessThan(5_000);
  });

  test('gives up a member whose agent is gone', async ({ life }) => {
    const cep = await startThriftServer(createAuthority().issue('IP:127.0.0.1'));
    const platform = await life.platform({ members: [ownMember('Active')], statistics: 'elsewhere' });
    const heardAt: number[] = [];
    handOn(cep, platform, heardAt);
    const agent = await life.agent({ conf: confFor(cep, life.brokerPort) });
    await expect.poll(() => heardAt.length, wait).toBeGreaterThan(0);

    process.kill(agent.pid, 'SIGKILL');
    await expect.poll(() => platform.faults.length, wait).toBe(1);

    expect(platform.faults).toMatchObject([{ memberId: shop.memberId, lastHeard: heardAt.at(-1) }]);
    expect(platform.memberStatus()).toBeNull();
  });
});

function confFor(cep: ThriftServer, brokerPort: number): Readonly<Record<string, string>> {
  return {
    'mb.urls': `127.0.0.1:${brokerPort}`,
    'stats.notifier.interval': '15',
    'thrift.receiver.urls': `127.0.0.1:${cep.port}`,
    'thrift.server.admin.username': 'stats',
    'thrift.server.admin.password': 'secret',
    'thrift.tls.verify': 'false',
  };
}

/** What the CEP node takes, the platform knows; `heardAt` gets the time each statistic is stamped with. */
function handOn(cep: ThriftServer, platform: Platform, heardAt: number[]): void {
  let taken = 0;
  const timer = setInterval(() => {
    const published = cep.of('published');
    for (const { bundle } of published.slice(taken)) {
      const [, , , , memberId] = bundle?.['stringAttributeList'] ?? [];
      const timestamp = Number(bundle?.['longAttributeList']?.[0]);
      heardAt.push(timestamp);
      platform.takeStatistic(String(memberId), timestamp);
    }
    taken = published.length;
  }, 50);
  onTestFinished(() => clearInterval(timer));
}
