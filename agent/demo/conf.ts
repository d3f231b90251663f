import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrokerAccess } from './platform.ts';
import type { DemoPlugin } from './plugin.ts';
import { shop } from './story.ts';

type Instance = {
  readonly broker: BrokerAccess;
  readonly memberId: string;
  readonly port: number;
  readonly repoUrl: string;
  readonly applicationPath: string;
  readonly plugin: DemoPlugin | null;
};

/** What the image and the platform would have put there: agent.conf and launch-params. */
export async function writeConf(folder: string, instance: Instance): Promise<string> {
  const confFile = join(folder, 'agent.conf');
  await writeFile(join(folder, 'launch-params'), launchParams(instance), { mode: 0o600 });
  await writeFile(confFile, agentConf(instance), { mode: 0o600 });
  return confFile;
}

function agentConf({ broker, applicationPath, plugin }: Instance): string {
  const { host, port } = broker.server;
  const values = {
    'mb.urls': `${host.includes(':') ? `[${host}]` : host}:${port}`,
    'mb.username': broker.username ?? '',
    'mb.password': broker.password?.reveal() ?? '',
    'mb.tls': String((broker.tls ?? null) !== null),
    'param.file.path': 'launch-params',
    'state.dir': 'state',
    'extensions.dir': 'extensions',
    ...(plugin === null ? {} : { 'plugins.dir': 'plugins' }),
    'listen.address': '127.0.0.1',
    // Repositories of a real platform are elsewhere; this one is a folder beside this file.
    'artifact.protocols': 'file',
    // The path is not in launch-params, where it could hold no comma.
    APPLICATION_PATH: applicationPath,
    'stats.notifier.interval': '1',
    'log.format': 'json',
  };
  const written = (entries: Iterable<readonly [string, string]>) =>
    [...entries].map(([key, value]) => `${key} = ${value}\n`).join('');
  const section = plugin === null ? '' : `[plugin ${plugin.name}]\n${written(plugin.section)}`;
  return `[agent]\n${written(Object.entries(values))}${section}`;
}

function launchParams({ memberId, port, repoUrl }: Instance): string {
  const values = {
    APPLICATION_ID: shop.applicationId,
    SERVICE_NAME: shop.serviceName,
    MULTITENANT: 'false',
    TENANT_ID: String(shop.tenantId),
    CARTRIDGE_ALIAS: shop.alias,
    CLUSTER_ID: shop.clusterId,
    CARTRIDGE_KEY: shop.cartridgeKey,
    REPO_URL: repoUrl,
    PORTS: String(port),
    DEPENDENCY_CLUSTER_IDS: shop.dependencyClusterId,
    MEMBER_ID: memberId,
    CLUSTER_INSTANCE_ID: shop.clusterInstanceId,
    NETWORK_PARTITION_ID: shop.networkPartitionId,
    PARTITION_ID: shop.partitionId,
  };
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
