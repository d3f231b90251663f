import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrokerAccess } from './platform.ts';
import { shop } from './story.ts';

/** What the image and the platform would have put there: agent.conf and launch-params. */
export async function writeConf(
  folder: string,
  instance: { broker: BrokerAccess; memberId: string; port: number; repoUrl: string; applicationPath: string },
): Promise<string> {
  const confFile = join(folder, 'agent.conf');
  await writeFile(join(folder, 'launch-params'), launchParams(instance), { mode: 0o600 });
  await writeFile(confFile, agentConf(instance), { mode: 0o600 });
  return confFile;
}

function agentConf({ broker, applicationPath }: { broker: BrokerAccess; applicationPath: string }): string {
  const { host, port } = broker.server;
  const values = {
    'mb.urls': `${host.includes(':') ? `[${host}]` : host}:${port}`,
    'mb.username': broker.username ?? '',
    'mb.password': broker.password?.reveal() ?? '',
    'mb.tls': String((broker.tls ?? null) !== null),
    'param.file.path': 'launch-params',
    'state.dir': 'state',
    'extensions.dir': 'extensions',
    'listen.address': '127.0.0.1',
    // Repositories of a real platform are elsewhere; this one is a folder beside this file.
    'artifact.protocols': 'file',
    // The path is not in launch-params, where it could hold no comma.
    APPLICATION_PATH: applicationPath,
    'stats.notifier.interval': '1',
    'log.format': 'json',
  };
  const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}`);
  return `[agent]\n${lines.join('\n')}\n`;
}

function launchParams({ memberId, port, repoUrl }: { memberId: string; port: number; repoUrl: string }): string {
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
