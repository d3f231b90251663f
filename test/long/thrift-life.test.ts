import { appendFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { type Authority, createAuthority, hasOpenssl } from '../support/certificates.ts';
import { expect } from '../support/current-test.ts';
import { anyBroker, lifeTest } from '../support/life.ts';
import { freePort } from '../support/mosquitto.ts';
import { statusOf } from '../support/status.ts';
import { hasThrift, type ThriftServer } from '../support/thrift-peer.ts';
import { startThriftServer } from '../support/thrift-server.ts';

// Agents as processes, with CEP nodes and a monitoring server that speak only Thrift.

const test = lifeTest.extend('broker', anyBroker);
const soon = () => AbortSignal.timeout(20_000);

describe.skipIf(!hasThrift || !hasOpenssl).concurrent('an instance of a platform that speaks Thrift', () => {
  test('lives a whole life with the configuration of the originals', async ({ life }) => {
    const authority = createAuthority();
    const [cep, logs] = await Promise.all([
      startThriftServer(authority.issue('IP:127.0.0.1'), { password: 'change-me-too' }),
      startThriftServer(authority.issue('IP:127.0.0.1'), { password: 'change-me-three' }),
    ]);
    const [logFile, coverage] = [join(life.folder, 'access.log'), join(life.folder, 'coverage')];
    const platform = await life.platform({ members: [ownMember('Initialized')] });
    const agent = await life.agent({
      conf: {
        ...originals(),
        'listen.address': '127.0.0.1',
        'mb.urls': `127.0.0.1:${life.brokerPort}`,
        'thrift.receiver.urls': `127.0.0.1:${cep.port},127.0.0.1:${await freePort()}`,
        'monitoring.server.ip': '127.0.0.1',
        'monitoring.server.secure.port': String(logs.port),
        'log.file.paths': logFile,
        APPLICATION_PATH: life.applicationPath,
        'thrift.tls.ca': authority.ca,
      },
      env: { NODE_V8_COVERAGE: coverage },
    });

    await platform.waitFor('InstanceActivatedEvent');
    await expect.poll(() => cep.of('published').length).toBeGreaterThanOrEqual(4);
    appendFileSync(logFile, 'GET / 200\n');
    await expect.poll(() => logs.of('published').length).toBe(1);
    const { thrift, condition } = await statusOf(join(life.folder, 'state'));
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent');

    expect(await agent.exited).toBe(0);
    const texts = cep.of('published').map(({ bundle }) => bundle?.['stringAttributeList'] as string[]);
    expect([...new Set(texts.map((text) => text.at(-1)))]).toEqual(['memory_consumption', 'load_average']);
    const { clusterId, clusterInstanceId, networkPartitionId, memberId, partitionId } = shop;
    const ids = [clusterId, clusterInstanceId, networkPartitionId, memberId, partitionId];
    expect(texts[0]).toEqual(['cartridge_agent_health_stats:1.0.0', ...ids, 'memory_consumption']);
    expect(logs.of('published')[0]?.bundle?.['stringAttributeList']).toContain('GET / 200');
    expect(platform.heard.some(({ event }) => event === 'HealthStatisticsEvent')).toBe(true);
    expect(thrift).toMatchObject({ verified: true, droppedLines: 0 });
    expect(thrift?.receivers.map(({ takes, state }) => `${takes} ${state}`)).toEqual([
      'statistics up',
      'statistics down',
      'logs up',
    ]);
    expect(condition).toBe('ok');
    const said = agent.lines.map((line) => JSON.stringify(line)).join('\n');
    expect(said).toContain('THRIFT_NOT_REACHED');
    for (const secret of ['change-me-too', 'change-me-three']) expect(said).not.toContain(secret);
    expect(thriftFilesIn(coverage)).not.toEqual([]);
  });

  test('is degraded, and says why, when the CEP refuses its password', async ({ life }) => {
    const authority = createAuthority();
    const cep = await startThriftServer(authority.issue('IP:127.0.0.1'));
    await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent({ conf: { ...cepOf(cep, authority), 'thrift.server.admin.password': 'old' } });
    await agent.entered('active', soon());
    await agent.logged(({ code }) => code === 'THRIFT_LOGIN_REFUSED');

    const status = () => statusOf(join(life.folder, 'state'));

    await expect.poll(async () => (await status()).condition).toBe('degraded');
    expect(await status()).toMatchObject({
      why: [expect.stringContaining(`cannot log in at 127.0.0.1:${cep.port}`)],
      next: { who: 'person', what: expect.stringContaining('check the admin user name and password') },
      thrift: { receivers: [{ state: 'down', code: 'THRIFT_LOGIN_REFUSED' }] },
    });
  });

  test('with thrift.tls.verify = false says so at each start, and in its status', async ({ life }) => {
    const cep = await startThriftServer(createAuthority().issue('DNS:anybody'));
    const conf = { ...cepOf(cep, null), 'thrift.tls.verify': 'false' };
    await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent({ conf });
    await expect.poll(() => cep.of('published').length).toBeGreaterThan(1);

    expect(await agent.logged(({ event }) => event === 'thrift.unverified')).toMatchObject({ level: 'warn' });
    expect((await statusOf(join(life.folder, 'state'))).thrift).toMatchObject({ verified: false });
  });

  test('is told of a clock that says it was here before it was made', async ({ life }) => {
    await life.platform({ members: [{ ...ownMember('Active'), initTime: Date.now() + 300_000 }] });
    const agent = await life.agent();

    await agent.logged(({ event }) => event === 'clock.behind');

    const { condition, why } = await statusOf(join(life.folder, 'state'));
    expect(condition).toBe('degraded');
    expect(why[0]).toMatch(/behind the time at which the platform made this member/);
  });

  test('is told of a clock that is behind that of the platform', async ({ life }) => {
    const platform = await life.platform({ members: [ownMember('Active')] });
    const agent = await life.agent();
    await agent.entered('active', soon());

    const other = { ...ownMember('Created'), memberId: `${shop.memberId}-2`, initTime: Date.now() + 300_000 };
    await platform.createMember(other);
    await agent.logged(({ event }) => event === 'clock.behind');

    const { condition, why, next } = await statusOf(join(life.folder, 'state'));
    expect(condition).toBe('degraded');
    expect(why[0]).toMatch(/behind the cloud controller/);
    expect(next.what).toMatch(/set the clock/);
  });
});

test('without receivers nothing of Thrift is loaded', async ({ life }) => {
  const coverage = join(life.folder, 'coverage');
  mkdirSync(coverage);
  const platform = await life.platform({ members: [ownMember('Active')] });
  const agent = await life.agent({ env: { NODE_V8_COVERAGE: coverage } });
  await agent.entered('active', soon());

  await platform.cleanupMember();

  expect(await agent.exited).toBe(0);
  expect(loadedIn(coverage).some((url) => url.endsWith('/agent/agent.ts'))).toBe(true);
  expect(thriftFilesIn(coverage)).toEqual([]);
});

/** agent.conf of the samples, in the agent's own words. */
function originals(): Record<string, string> {
  const text = readFileSync(new URL('../samples/agent.conf', import.meta.url), 'utf8');
  const pairs = [...text.matchAll(/^([\w.]+) *=(.*)$/gm)];
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value.trim()]));
}

function cepOf(cep: ThriftServer, authority: Authority | null): Record<string, string> {
  return {
    'thrift.receiver.urls': `127.0.0.1:${cep.port}`,
    'thrift.server.admin.username': 'stats',
    'thrift.server.admin.password': 'secret',
    ...(authority === null ? {} : { 'thrift.tls.ca': authority.ca }),
  };
}

/** The scripts a process has loaded, as V8 has written them down at its end. */
function loadedIn(folder: string): string[] {
  type Coverage = { result: { url: string }[] };
  const files = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Coverage);
  return files.flatMap(({ result }) => result.map(({ url }) => url));
}

function thriftFilesIn(coverage: string): string[] {
  return loadedIn(coverage).filter((url) => /\/(agent|node_modules)\/thrift\//.test(url));
}
