import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Secret } from '../state/secret.ts';
import { minimal, quiet, test } from './support/config-folder.ts';

const sampleConf = readFileSync(new URL('samples/agent.conf', import.meta.url), 'utf8');
const sampleParams = readFileSync(new URL('samples/launch-params', import.meta.url), 'utf8');
test('loads the samples', ({ folder }) => {
  const { config, warnings } = folder.load({ conf: sampleConf, params: sampleParams });

  expect(config).toEqual({
    instance: {
      applicationId: 'shop-app',
      serviceName: 'php',
      clusterId: 'shop-app.web.php.domain',
      memberId: 'shop-app.web.php.domain1c2f6d0e-8a4b-4f5c-9f1a-0d3b6e7a9c21',
      clusterInstanceId: 'shop-app-1',
      networkPartitionId: 'network-partition-1',
      partitionId: 'partition-1',
      tenantId: 1,
      multiTenant: false,
      alias: 'web',
      dependencyClusterIds: ['shop-app.db.mysql.domain'],
    },
    broker: {
      servers: [
        { host: '10.0.0.6', port: 1883 },
        { host: '10.0.0.7', port: 1883 },
      ],
      username: 'system',
      password: expect.any(Secret),
      protocolVersion: 4,
      tls: null,
    },
    ports: { numbers: [80, 443], host: 'localhost', timeoutMs: 600_000 },
    artifacts: {
      expected: true,
      path: '/var/www/html',
      key: expect.any(Secret),
      protocols: ['https', 'ssh', 'http'],
      branch: null,
      timeoutMs: 600_000,
      maxBytes: null,
      retries: 5,
      retryIntervalMs: 10_000,
      updateEnabled: true,
      updateIntervalMs: 15_000,
      autoCheckout: true,
      commitEnabled: false,
      commitIdentity: { name: 'cartridge-agent', email: 'cartridge-agent@localhost' },
      drift: 'report',
      layout: 'in-place',
      releasesKept: 3,
      verify: { policy: 'none', signersFile: null, timeoutMs: 60_000 },
      ssh: { key: null, knownHosts: null },
      backup: false,
      superTenantPath: '/repository/deployment/server/',
      tenantPath: '/repository/tenants/',
    },
    health: { enabled: true, intervalMs: 15_000 },
    hooks: {
      extensionsDir: join(folder.path, 'extensions'),
      pluginsDir: join(folder.path, 'plugins'),
      timeoutMs: 60_000,
      passSecrets: false,
      paramFilePath: join(folder.path, 'payload/launch-params'),
      launchParams: expect.any(Map),
      lvsVirtualIp: null,
      persistenceMapping: '/dev/vdb|vol-0001|/mnt/data',
      applicationPath: '/var/www/html',
    },
    plugins: new Map(),
    loadBalancer: { clusterId: null, privateIp: null, publicIp: null },
    termination: { budgetMs: 600_000, onSigterm: false, sigtermBudgetMs: 8_000 },
    activationDeadlineMs: null,
    stateDir: '/var/lib/cartridge-agent',
    log: { level: 'info', format: null },
    thrift: {
      receivers: [
        { host: '10.0.0.8', port: 7711 },
        { host: '10.0.0.9', port: 7711 },
      ],
      username: 'stats',
      password: expect.any(Secret),
      tls: { ca: null, servername: null, verify: true },
    },
    monitoring: {
      enabled: true,
      host: '10.0.0.10',
      port: 7611,
      securePort: 7711,
      username: 'logs',
      password: expect.any(Secret),
      logFiles: ['/var/log/apache2/access.log', '/var/log/apache2/error.log'],
      bytesPerSecond: 65_536,
      bufferBytes: 1_048_576,
    },
    metadata: { url: 'https://metadata.example.com:9443', token: expect.any(Secret) },
  });
  expect(config.broker.password?.reveal()).toBe('change-me');
  expect(config.artifacts.key?.reveal()).toBe('Xk7pQ2mZ9aLr4TwB');
  expect(warnings.map(({ wrong }) => wrong.split(':')[0])).toEqual(['set, and never has an effect']);
});

test('gives scripts what is set in launch-params, with what agent.conf overrides', ({ folder }) => {
  const params = `${quiet},TOKEN=a.b=c==,GROUP_NAME=null,,HOST_NAME=,CUSTOM=x,__proto__=y,PORTS='80|443'`;

  const { config } = folder.load({ conf: `${minimal}cluster_id = mine\nHOST_NAME = host\n`, params });

  const { launchParams } = config.hooks;
  expect(Object.fromEntries(launchParams)).toMatchObject({ CLUSTER_ID: 'mine', HOST_NAME: 'host', PORTS: '80|443' });
  expect([launchParams.get('TOKEN'), launchParams.get('CUSTOM'), launchParams.get('__proto__')]).toEqual([
    'a.b=c==',
    'x',
    'y',
  ]);
  expect(launchParams.has('GROUP_NAME')).toBe(false);
  expect(config.instance.clusterId).toBe('mine');
});

test('reads launch-params as the shell of a container writes them', ({ folder }) => {
  const set = `BASH=/bin/bash
BASH_VERSINFO=([0]="5" [1]="2" [2]="15")
IFS='
'
APPLICATION_ID=shop-app
APPLICATION_PATH=/var/www/html
CLUSTER_ID=shop-app.web.php.domain
MEMBER_ID=member-1
MULTITENANT=false
OPTS='it'\\''s = here'
PATH=/usr/bin:/bin
PORTS='80|443'
SERVICE_NAME=php
TENANT_RANGE='*'
_=posix
`;

  const { config } = folder.load({ params: set.replaceAll('\n', ',') });

  expect(config.instance).toMatchObject({ applicationId: 'shop-app', serviceName: 'php', memberId: 'member-1' });
  expect(config.ports.numbers).toEqual([80, 443]);
  expect(config.artifacts.path).toBe('/var/www/html');
  expect(config.hooks.launchParams.get('TENANT_RANGE')).toBe('*');
  expect(config.hooks.launchParams.get('OPTS')).toBe(`it's = here`);
});

test('asks agent.conf first, then launch-params, then takes the default', ({ folder }) => {
  const conf = `${minimal}APPLICATION_PATH = /conf\nlisten.address =\nartifact.clone.retries = null\n`;
  const params = `${quiet},APPLICATION_PATH=/params,listen.address=127.0.0.1,artifact.clone.retries=7`;

  const { config, sources } = folder.load({ conf, params });

  expect(config.artifacts.path).toBe('/conf');
  expect(config.ports.host).toBe('127.0.0.1');
  expect(config.artifacts.retries).toBe(7);
  expect(sources.keys.get('APPLICATION_PATH')).toEqual({
    from: 'agent.conf',
    file: join(folder.path, 'agent.conf'),
    line: 3,
  });
  expect(sources.keys.get('listen.address')).toMatchObject({ from: 'launch-params', line: null });
  expect(sources.keys.get('hook.timeout')).toEqual({ from: 'default', file: null, line: null });
});

test.for([
  { summary: 'neither set', conf: '', params: '', commits: false },
  { summary: 'auto.commit alone', conf: 'auto.commit = TRUE', params: '', commits: true },
  {
    summary: 'COMMIT_ENABLED of the platform wins',
    conf: 'auto.commit = true',
    params: ',COMMIT_ENABLED=false',
    commits: false,
  },
  {
    summary: 'COMMIT_ENABLED of agent.conf wins',
    conf: 'COMMIT_ENABLED = true',
    params: ',COMMIT_ENABLED=false',
    commits: true,
  },
])('commits: $summary', ({ conf, params, commits }, { folder }) => {
  const { config } = folder.load({ conf: `${minimal}${conf}\n`, params: `${quiet}${params}` });

  expect(config.artifacts.commitEnabled).toBe(commits);
});

test('reads conf.d in the order of the names, and the last file counts', ({ folder }) => {
  const others = {
    'conf.d/20-later.conf': '[agent]\nlog.level = debug\n[plugin php]\nunit = php-fpm\n',
    'conf.d/10-earlier.conf': '[agent]\nlog.level = warn\nhook.timeout = 5\n',
    'conf.d/.hidden.conf': 'rubbish',
    'conf.d/README': 'rubbish',
  };
  const conf = `${minimal}log.level = error\n[plugin php]\nunit = apache2\nMaxWait = 1 # raw\n`;

  const { config, warnings, sources } = folder.load({ conf, others });

  expect(config.log.level).toBe('debug');
  expect(config.hooks.timeoutMs).toBe(5_000);
  expect([...(config.plugins.get('php') ?? [])]).toEqual([
    ['unit', 'php-fpm'],
    ['MaxWait', '1 # raw'],
  ]);
  expect(sources.confFiles.map((file) => file.slice(folder.path.length))).toEqual([
    '/agent.conf',
    '/conf.d/10-earlier.conf',
    '/conf.d/20-later.conf',
  ]);
  expect(warnings).toEqual([]);
});

test('takes the password from its file, without the line feed', ({ folder }) => {
  const conf = `${minimal}mb.username = u\nmb.password = other\nmb.password.file = secrets/mb\n`;

  const { config, warnings } = folder.load({ conf, others: { 'secrets/mb': ' p#;%w \n' } });

  expect(config.broker.password?.reveal()).toBe(' p#;%w ');
  expect(warnings.map(({ key, line }) => [key, line])).toEqual([['mb.password', 4]]);
});

test('resolves paths from the folder of agent.conf, and TLS from the scheme', ({ folder }) => {
  const conf =
    '[agent]\nmb.urls = mqtts://[::1]:8883/\nmb.tls.ca = tls/ca.pem\nstate.dir = state\nextensions.dir = /ext\n';

  const { config } = folder.load({ conf, others: { 'tls/ca.pem': 'x' } });

  expect(config.broker.servers).toEqual([{ host: '::1', port: 8883 }]);
  expect(config.broker.tls).toEqual({ ca: join(folder.path, 'tls/ca.pem'), cert: null, key: null, servername: null });
  expect([config.stateDir, config.hooks.extensionsDir]).toEqual([join(folder.path, 'state'), '/ext']);
});

test('cannot be changed', ({ folder }) => {
  const { config } = folder.load({ conf: sampleConf, params: sampleParams });
  const open = config as unknown as {
    broker: { servers: { host: string }[] };
    hooks: { launchParams: Map<string, string> };
  };

  expect(() => open.broker.servers.push({ host: 'other' })).toThrow(TypeError);
  expect(() => Object.assign(open.broker.servers[0] ?? {}, { host: 'other' })).toThrow(TypeError);
  expect(() => open.hooks.launchParams.set('CLUSTER_ID', 'other')).toThrow(TypeError);
});
