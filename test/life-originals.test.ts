import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'vitest';
import { loadConfig } from '../agent/config.ts';
import { ownMember, shop } from '../agent/demo/story.ts';
import { createAuthority, hasOpenssl } from './support/certificates.ts';
import { expect } from './support/current-test.ts';
import { startGitServer } from './support/git-server.ts';
import { anyBroker, type Life, lifeTest, statusEvents } from './support/life.ts';
import { samples, writeOriginalHome } from './support/originals.ts';
import { hasThrift } from './support/thrift-peer.ts';
import { startThriftServer } from './support/thrift-server.ts';

const scripts = [
  'CompleteTopologyEvent',
  'VolumeMount',
  'InstanceStartedEvent',
  'StartServers',
  'ArtifactUpdatedEvent',
  'InstanceActivatedEvent',
  'clean',
];
const says = {
  VolumeMount: '$1',
  StartServers: '$STRATOS_SERVICE_NAME $STRATOS_PORTS $STRATOS_HOST_NAME $STRATOS_TOKEN',
  ArtifactUpdatedEvent: '$(cat $STRATOS_APPLICATION_PATH/index.html)',
};
const account = { user: 'deploy', password: 's3cret-P@ss' };

const test = lifeTest.extend('broker', anyBroker);

describe('the folder of an original agent', () => {
  test('is a whole life as it stands, and terminator.txt stops the agent, not the instance', async ({ life }) => {
    await using git = await startGitServer();
    const repository = await git.createRepository('shop/web.git');
    await repository.commit({ 'index.html': 'first' });
    git.account = account;
    const repositories = [{ clusterId: shop.clusterId, tenantId: shop.tenantId, url: repository.url }].map((one) => {
      return { ...one, username: account.user, password: account.password };
    });
    const platform = await life.platform({ members: [ownMember('Created')], repositories });
    const cep = await startCep();
    const { home, ports } = await originalHome(life, repository.url, cep?.server.port);
    const terminator = join(home, 'terminator.txt');

    const first = await life.agent({ home });
    await platform.waitFor('CompleteTopologyRequestEvent');
    await platform.initializeMember();
    await expect.poll(first.trace).toContain('ArtifactUpdatedEvent first');
    const beforePorts = statusEvents(platform.heard);
    for (const port of ports) await life.listen(port);
    await platform.waitFor('InstanceActivatedEvent');
    await platform.waitFor('HealthStatisticsEvent');
    if (cep !== null) await expect.poll(() => cep.server.of('published').length).toBeGreaterThanOrEqual(2);
    await expect.poll(first.trace).toContain('InstanceActivatedEvent');
    await writeFile(terminator, 'true\n');
    const stopped = await first.exited;
    const whileStopped = statusEvents(platform.heard);
    await rm(terminator);
    const second = await life.agent({ home });
    await second.logged(({ event, state }) => event === 'lifecycle.entered' && state === 'active');
    await platform.cleanupMember();

    expect(stopped).toBe(0);
    expect(await second.exited).toBe(0);
    expect(beforePorts).toEqual(['InstanceStartedEvent']);
    expect(whileStopped).toEqual(['InstanceStartedEvent', 'InstanceActivatedEvent']);
    expect(statusEvents(platform.heard).slice(2)).toEqual([
      'InstanceMaintenanceModeEvent',
      'InstanceReadyToShutdownEvent',
    ]);
    const inOrder = second.trace().filter((line) => !line.startsWith('CompleteTopology'));
    expect(inOrder).toEqual([
      'VolumeMount /dev/vdb|vol-0001|/mnt/data',
      'InstanceStartedEvent',
      `StartServers php ${ports.join('|')} shop-app.web.php.example.com`,
      'ArtifactUpdatedEvent first',
      'InstanceActivatedEvent',
      'clean',
    ]);
    expect(second.trace()).toContain('CompleteTopologyEvent');
    expect(first.lines).toContainEqual(expect.objectContaining({ event: 'agent.stopping', reason: 'terminator.txt' }));
  });

  test('is told about: what is not used of it, and no secret', async ({ life }) => {
    const { home } = await originalHome(life, 'http://127.0.0.1/web.git');

    const agent = await life.agent({ home });
    await agent.logged(({ event }) => event === 'broker.connected');

    const warned = agent.lines.filter(({ event }) => event === 'config.warning').map(({ wrong }) => wrong);
    expect(warned).toEqual(
      expect.arrayContaining([
        'plugins of the originals are not run: TomcatPlugin.yapsy-plugin',
        expect.stringContaining(
          'beside extensions/bash are not run; the Python agent did not run them either: instance-',
        ),
        expect.stringContaining('logging.ini'),
      ]),
    );
    await agent.stop();
    const log = readFileSync(join(life.folder, 'agent.log'), 'utf8');
    const token = /TOKEN=([^,]+)/.exec(samples.params)?.[1] ?? '';
    expect(token).not.toBe('');
    for (const secret of ['change-me', shop.cartridgeKey, token]) expect(log).not.toContain(secret);
    expect(loadConfig({ confFile: join(home, 'agent.conf'), home }).config.stateDir).toBe(join(home, 'state'));
  });
});

/** Null where there is nothing to make one of. */
async function startCep() {
  if (!hasThrift || !hasOpenssl) return null;
  const authority = createAuthority();
  const server = await startThriftServer(authority.issue('IP:127.0.0.1'), { password: 'change-me-too' });
  return { server };
}

/** The samples, with addresses and folders of this machine; nobody listens where the CEP and the others would be. */
async function originalHome(life: Life, repoUrl: string, cepPort?: number) {
  const [closed, http, https] = await Promise.all([life.port(), life.port(), life.port()]);
  const home = join(life.folder, 'home');
  const nobody = `127.0.0.1:${closed}`;
  await writeOriginalHome(home, {
    scripts,
    says,
    traceFile: join(life.folder, 'trace'),
    addresses: {
      '10.0.0.6:1883,10.0.0.7:1883': `127.0.0.1:${life.brokerPort},${nobody}`,
      '10.0.0.8:7711,10.0.0.9:7711': `127.0.0.1:${cepPort ?? closed},${nobody}`,
      '10.0.0.10': '127.0.0.1',
      '=7611': `=${closed}`,
      '=7711': `=${closed}`,
      'metadata.example.com:9443': nobody,
      '/var/log/apache2': join(life.folder, 'log'),
      '/var/www/html': life.applicationPath,
      'https://git.example.com/shop/web.git': repoUrl,
      'PORTS=80|443': `PORTS=${http}|${https}`,
      '10.0.0.6:1883': `127.0.0.1:${life.brokerPort}`,
    },
  });
  return { home, ports: [http, https] };
}
