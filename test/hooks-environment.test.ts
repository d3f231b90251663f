import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type CommonValues, type ScriptSettings, scriptEnvironment } from '../agent/hooks/environment.ts';
import { type HookInputs, type HookName, hooks } from '../plugins/contract.ts';
import { Secret } from '../state/secret.ts';
import { noFacts, settings } from './support/hooks.ts';

const member = { memberId: 'm1', clusterId: 'c1', status: 'Active', member: { initTime: 1 } };
const domainMapping = {
  applicationId: 'shop-app',
  serviceName: 'php',
  clusterId: 'c1',
  domainName: 'www.shop.example.com',
  tenantId: 1,
  tenantDomain: 'acme.example.com',
};
const artifact = {
  tenantId: '1',
  path: '/var/www/html',
  repoUrl: 'https://git.example.com/shop/web.git',
  oldCommit: null,
  newCommit: '3f9c2ab',
  changedPaths: ['index.php'],
  branch: null,
  authorDate: '2026-03-04T09:50:00Z',
  subject: 'Fix login',
  fingerprint: 'f'.repeat(64),
  signedBy: null,
  trigger: 'event' as const,
  durationMs: 412,
  event: { clusterId: 'c1', repoUserName: 'deploy', repoPassword: new Secret('devsCWCu8q8n'), status: 'ok' },
};
const inputs: HookInputs = {
  lvsInterface: { virtualIp: '192.0.2.40|255.255.255.0' },
  volumeMount: { persistenceMapping: '/dev/vdb|vol-0001|/mnt/data' },
  instanceStarting: {},
  startServers: {},
  artifactUpdating: artifact,
  artifactUpdated: artifact,
  instanceActivating: {},
  instanceActivated: {},
  drain: {},
  clean: {},
  completeTopology: { topology: '{"serviceMap": {}}', members: Buffer.from('{"m1":{"é":1}}') },
  completeTenant: { tenants: '[{"tenantId":1}]' },
  memberInitialized: member,
  memberStarted: member,
  memberActivated: member,
  memberMaintenance: member,
  memberSuspended: member,
  memberTerminated: member,
  tenantSubscribed: { tenantId: 1, serviceName: 'php', clusterIds: ['c1'] },
  domainMappingAdded: { ...domainMapping, contextPath: '/' },
  domainMappingRemoved: domainMapping,
  applicationSignUpRemoved: { applicationId: 'shop-app', tenantId: 1 },
  artifactDrifted: { tenantId: '1', path: '/var/www/html', changedPaths: ['index.php'] },
};

const artifactValues = {
  STRATOS_ARTIFACT_UPDATED_CLUSTER_ID: 'c1',
  STRATOS_ARTIFACT_UPDATED_TENANT_ID: '1',
  STRATOS_ARTIFACT_UPDATED_REPO_URL: 'https://git.example.com/shop/web.git',
  STRATOS_ARTIFACT_UPDATED_REPO_USERNAME: 'deploy',
  STRATOS_ARTIFACT_UPDATED_STATUS: 'ok',
};
const domainValues = {
  STRATOS_SUBSCRIPTION_APPLICATION_ID: 'shop-app',
  STRATOS_SUBSCRIPTION_SERVICE_NAME: 'php',
  STRATOS_SUBSCRIPTION_DOMAIN_NAME: 'www.shop.example.com',
  STRATOS_SUBSCRIPTION_CLUSTER_ID: 'c1',
  STRATOS_SUBSCRIPTION_TENANT_ID: '1',
  STRATOS_SUBSCRIPTION_TENANT_DOMAIN: 'acme.example.com',
};
/** By hook: STRATOS_EVENT, and what the event adds (protocol.md section 7.1). */
const expected: Readonly<Record<HookName, readonly [string, Readonly<Record<string, string>>]>> = {
  lvsInterface: [
    'CreateLVSDummyInterface',
    { STRATOS_LVS_DUMMY_VIRTUAL_IP: '192.0.2.40', STRATOS_LVS_SUBNET_MASK: '255.255.255.0' },
  ],
  volumeMount: ['VolumeMount', { STRATOS_VALUE1: '/dev/vdb|vol-0001|/mnt/data' }],
  instanceStarting: ['InstanceStartedEvent', {}],
  startServers: ['StartServers', {}],
  artifactUpdating: ['artifactUpdating', artifactValues],
  artifactUpdated: ['ArtifactUpdatedEvent', artifactValues],
  instanceActivating: ['instanceActivating', {}],
  instanceActivated: ['InstanceActivatedEvent', {}],
  drain: ['drain', {}],
  clean: ['clean', {}],
  completeTopology: [
    'CompleteTopologyEvent',
    { STRATOS_TOPOLOGY_JSON: '{"serviceMap": {}}', STRATOS_MEMBER_LIST_JSON: '{"m1":{"é":1}}' },
  ],
  completeTenant: ['CompleteTenantEvent', { STRATOS_TENANT_LIST_JSON: '[{"tenantId":1}]' }],
  memberInitialized: ['MemberInitializedEvent', {}],
  memberStarted: ['MemberStartedEvent', {}],
  memberActivated: ['MemberActivatedEvent', {}],
  memberMaintenance: ['memberMaintenance', {}],
  memberSuspended: ['MemberSuspendedEvent', {}],
  memberTerminated: ['MemberTerminatedEvent', {}],
  tenantSubscribed: ['TenantSubscribedEvent', {}],
  domainMappingAdded: ['DomainMappingAddedEvent', { ...domainValues, STRATOS_SUBSCRIPTION_CONTEXT_PATH: '/' }],
  domainMappingRemoved: ['DomainMappingRemovedEvent', domainValues],
  applicationSignUpRemoved: ['ApplicationSignUpRemovedEvent', {}],
  artifactDrifted: ['artifactDrifted', {}],
};
const environment = { PATH: '/bin', LANG: 'C.UTF-8', HOME: '/root', MB_PASSWORD: 'x', STRATOS_STALE: 'of another run' };

test.for(Object.keys(hooks) as HookName[])('%s gets what the protocol says, and nothing else', (hook) => {
  const [event, values] = expected[hook];

  const built = environmentOf({ hook });

  expect(built.variables).toEqual({
    PATH: '/bin',
    LANG: 'C.UTF-8',
    HOME: '/root',
    CARTRIDGE_HOOK: hook,
    CARTRIDGE_ATTEMPT: '1',
    STRATOS_EVENT: event,
    ...values,
  });
  expect(built.files.size).toBe(0);
});

test.for(Object.keys(hooks) as HookName[])('%s gets the common values, and with them what it adds', (hook) => {
  const [event, values] = expected[hook];
  const password = hook.startsWith('artifactUpdat') ? { STRATOS_ARTIFACT_UPDATED_REPO_PASSWORD: 'devsCWCu8q8n' } : {};

  const { variables } = environmentOf({
    hook,
    settings: {
      passSecrets: true,
      paramFilePath: '/etc/launch-params',
      applicationPath: '/var/www/html',
      persistenceMapping: '/dev/vdb|vol-1|/mnt',
      launchParams: new Map([
        ['CARTRIDGE_KEY', 'Xk7pQ2mZ9aLr4TwB'],
        ['MB_IP', '10.0.0.9'],
      ]),
    },
    facts: {
      mbIp: '10.0.0.6',
      lbIp: '10.0.0.7',
      lbPublicIp: '203.0.113.7',
      serviceProperties: { a: '1' },
      clusterProperties: { b: '2' },
      memberProperties: { c: '3' },
    },
  });

  expect(keysOf(variables, 'STRATOS_')).toEqual({
    STRATOS_EVENT: event,
    STRATOS_CARTRIDGE_KEY: 'Xk7pQ2mZ9aLr4TwB',
    STRATOS_MB_IP: '10.0.0.9', // launch-params override
    STRATOS_APPLICATION_PATH: '/var/www/html',
    STRATOS_PARAM_FILE_PATH: '/etc/launch-params',
    STRATOS_PERSISTENCE_MAPPINGS: '/dev/vdb|vol-1|/mnt',
    STRATOS_LB_IP: '10.0.0.7',
    STRATOS_LB_PUBLIC_IP: '203.0.113.7',
    STRATOS_SERVICE_PROPERTY_a: '1',
    STRATOS_CLUSTER_PROPERTY_b: '2',
    STRATOS_MEMBER_PROPERTY_c: '3',
    ...values,
    ...password,
  });
});

test('an update our own look has found is told as the Java agent tells it', () => {
  const { variables } = environmentOf({ hook: 'artifactUpdated', input: { ...artifact, event: null } });

  expect(keysOf(variables, 'STRATOS_ARTIFACT')).toEqual({
    STRATOS_ARTIFACT_UPDATED_TENANT_ID: '1',
    STRATOS_ARTIFACT_UPDATED_SCHEDULER: 'true',
  });
});

test('all hooks get the common values, and launch-params override them', () => {
  const { variables } = environmentOf({
    hook: 'drain',
    settings: {
      paramFilePath: '/etc/launch-params',
      applicationPath: '/srv',
      persistenceMapping: '/dev/vdb|null|/mnt',
      launchParams: new Map([
        ['APPLICATION_PATH', '/var/www/html'],
        ['EVENT', 'not yours to say'],
        ['custom.key', 'a=b,c'],
        ['GROUP_NAME', 'null'],
        ['EXPORTING_PROPERTIES', ''],
      ]),
    },
    facts: {
      mbIp: '10.0.0.6',
      lbIp: '10.0.0.7',
      lbPublicIp: null,
      serviceProperties: { a: '1' },
      clusterProperties: { 'b c': '2' },
      memberProperties: { MIN_COUNT: '3' },
    },
  });

  expect(keysOf(variables, 'STRATOS_')).toEqual({
    STRATOS_EVENT: 'drain',
    STRATOS_APPLICATION_PATH: '/var/www/html',
    'STRATOS_custom.key': 'a=b,c',
    STRATOS_MB_IP: '10.0.0.6',
    STRATOS_PARAM_FILE_PATH: '/etc/launch-params',
    STRATOS_PERSISTENCE_MAPPINGS: '/dev/vdb|null|/mnt',
    STRATOS_LB_IP: '10.0.0.7',
    STRATOS_SERVICE_PROPERTY_a: '1',
    'STRATOS_CLUSTER_PROPERTY_b c': '2',
    STRATOS_MEMBER_PROPERTY_MIN_COUNT: '3',
  });
});

test('a real launch-params comes through, its secrets only when they are asked for', () => {
  const launchParams = new Map(
    readFileSync(new URL('./samples/launch-params', import.meta.url), 'utf8')
      .split(',')
      .filter(Boolean)
      .map((pair): [string, string] => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  launchParams.set('db_password_file', '/run/secrets/db');
  const facts = { ...noFacts, clusterProperties: { MYSQL_PASSWORD: 'geheim' } };
  const run = { hook: 'artifactUpdated', facts } as const;
  const withSecrets = environmentOf({ ...run, settings: { launchParams, passSecrets: true } }).variables;

  const { variables, secrets } = environmentOf({ ...run, settings: { launchParams } });

  expect(variables['STRATOS_MEMBER_ID']).toBe(launchParams.get('MEMBER_ID'));
  expect(variables['STRATOS_IMPORT_METADATA_KEYS']).toBe('shop-app-MYSQL_HOST|shop-app-MYSQL_PASSWORD');
  const withheld = Object.keys(withSecrets).filter((key) => !(key in variables));
  expect(withheld.sort()).toEqual([
    'STRATOS_ARTIFACT_UPDATED_REPO_PASSWORD',
    'STRATOS_CARTRIDGE_KEY',
    'STRATOS_CLUSTER_PROPERTY_MYSQL_PASSWORD',
    'STRATOS_TOKEN',
    'STRATOS_db_password_file',
  ]);
  expect(withSecrets['STRATOS_ARTIFACT_UPDATED_REPO_PASSWORD']).toBe('devsCWCu8q8n');
  expect(withSecrets['STRATOS_TOKEN']).toBe(launchParams.get('TOKEN'));
  expect(secrets).toEqual(expect.arrayContaining(['devsCWCu8q8n', 'geheim', 'Xk7pQ2mZ9aLr4TwB']));
});

test('a value over 64 KiB is for a file, counted in bytes', () => {
  const fits = 'x'.repeat(64 * 1024);
  const tooLong = Buffer.from('é'.repeat(32 * 1024 + 1));

  const { variables, files } = environmentOf({
    hook: 'completeTopology',
    input: { topology: tooLong, members: fits },
  });

  expect(variables['STRATOS_MEMBER_LIST_JSON']).toBe(fits);
  expect(variables).not.toHaveProperty('STRATOS_TOPOLOGY_JSON');
  expect([...files]).toEqual([['STRATOS_TOPOLOGY_JSON_FILE', tooLong]]);
});

test('what cannot be a variable is left out', () => {
  const launchParams = new Map([
    ['NUL', 'a\0b'],
    ['A=B', 'c'],
    ['', 'd'],
    ['FINE', 'e'],
  ]);

  const { variables } = environmentOf({ hook: 'drain', settings: { launchParams } });

  expect(keysOf(variables, 'STRATOS_')).toEqual({ STRATOS_EVENT: 'drain', STRATOS_FINE: 'e' });
});

function environmentOf<Name extends HookName>(run: {
  hook: Name;
  input?: HookInputs[Name];
  settings?: Partial<ScriptSettings>;
  facts?: CommonValues;
}) {
  return scriptEnvironment({
    hook: run.hook,
    input: run.input ?? inputs[run.hook],
    attempt: 1,
    settings: { ...settings, ...run.settings },
    facts: run.facts ?? noFacts,
    environment,
  });
}

function keysOf(variables: Readonly<Record<string, string>>, prefix: string): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([key]) => key.startsWith(prefix)));
}
