import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'vitest';
import { ownMember, shop } from '../agent/demo/story.ts';
import { expect } from './support/current-test.ts';
import { type Life, lifeTest } from './support/life.ts';
import { spectate } from './support/link.ts';
import { startMetadataServer, tokenFor } from './support/metadata-server.ts';

const test = lifeTest;

describe('plugins of a living agent', () => {
  test('add numbers to its statistics, and a hung one takes nothing from them', async ({ life }) => {
    await writePlugin(life, 'web', 'health: async () => ({ requests: 7, load_average: -1, memory_consumption: -1 })');
    await writePlugin(life, 'hung', 'health: () => new Promise(() => {})');
    await writePlugin(life, 'looping', 'health: async () => { for (;;); }');
    const { heard } = await spectate(life.brokerPort);
    const sent = (name: string) =>
      heard
        .filter(({ topic }) => topic === 'health/statistics/HealthStatisticsEvent')
        .map(({ text }) => JSON.parse(text))
        .filter(({ healthDescription }) => healthDescription === name);
    await life.platform({ members: [ownMember('Active')] });

    const agent = await life.agent({ conf: { 'stats.notifier.interval': '200ms' } });
    await expect.poll(() => sent('requests').length, { timeout: 10_000 }).toBeGreaterThan(10);

    expect(new Set(sent('requests').map(({ value }) => value))).toEqual(new Set([7]));
    expect(sent('load_average').length).toBeGreaterThan(8);
    for (const { value } of [...sent('load_average'), ...sent('memory_consumption')])
      expect(value).toBeGreaterThanOrEqual(0);
    const { reader } = await agent.logged(({ event }) => event === 'statistics.readerFailed');
    expect(reader).toBe('web');
  });

  test('reach the metadata service, and the token is in no log', async ({ life }) => {
    await using server = await startMetadataServer();
    const token = tokenFor(shop.applicationId);
    server.applications.add(shop.applicationId);
    server.faults.push({ kind: 'status', status: 503 }, { kind: 'echo', status: 500 });
    await writePlugin(
      life,
      'web',
      `hooks: {
        instanceStarting: async ({ metadata, log }) => {
          await metadata.put('PUBLIC_URL', 'http://a', { cluster: 'web' });
          log.info({ seen: await metadata.get('PUBLIC_URL', { cluster: 'web' }) }, 'asked');
          await metadata.delete('NOTHING', 'x');
        },
      }`,
    );
    const platform = await life.platform({ members: [ownMember('Initialized')] });

    const agent = await life.agent({
      conf: { 'metadata.service.url': server.url },
      params: { TOKEN: token },
    });
    await platform.waitFor('InstanceStartedEvent');

    expect(await agent.logged(({ msg }) => msg === 'asked')).toMatchObject({ fields: { seen: ['http://a'] } });
    expect(server.requests.map(({ method, authorization }) => [method, authorization])).toEqual(
      ['POST', 'POST', 'POST', 'GET', 'DELETE'].map((method) => [method, `Bearer ${token}`]),
    );
    expect(await readFile(join(life.folder, 'agent.log'), 'utf8')).not.toContain(token);
  });
});

async function writePlugin({ folder }: Life, name: string, parts: string): Promise<void> {
  await mkdir(join(folder, 'plugins'), { recursive: true });
  await writeFile(
    join(folder, 'plugins', `${name}.js`),
    `import { definePlugin } from 'cartridge-agent/plugin';
    export default definePlugin({ name: '${name}', contract: 1, ${parts} });`,
  );
}
