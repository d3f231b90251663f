import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentProcess, startAgentProcess } from '../../agent/demo/agent-process.ts';
import { startEmbeddedBroker } from '../../agent/demo/broker.ts';
import { type Platform, startPlatform } from '../../agent/demo/platform.ts';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { createLog } from '../../agent/log.ts';
import { startGitServer, type TestRepository } from '../support/git-server.ts';
import { hasMosquitto, startMosquitto } from '../support/mosquitto.ts';
import { type Proxy as LinkProxy, startProxy } from '../support/proxy.ts';

/** An agent that is active, behind a link that can be cut, with a platform and a repository. All is gone afterwards. */
export type Stage = AsyncDisposable & {
  readonly agent: AgentProcess;
  readonly platform: Platform;
  readonly proxy: LinkProxy;
  readonly repository: TestRepository;
  readonly journal: string;
};

const program = new URL('../../agent/main.ts', import.meta.url).pathname;

export async function openStage(signal: AbortSignal): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'soak-'));
  opening.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const port = await startBroker(opening);
  const git = opening.use(await startGitServer());
  const repository = await git.createRepository('shop.git');
  await repository.commit({ 'index.html': 'first' });
  const platform = opening.adopt(await startOwnPlatform(port, repository.url), (it) => it.stop());
  const proxy = opening.use(await startProxy(port));
  const confFile = await writeInstance(folder, proxy.port, repository.url);
  const logFile = join(folder, 'agent.log');
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  const agent = opening.adopt(await startAgentProcess({ program, confFile, logFile, env }), (it) => it.stop());
  await agent.entered('active', AbortSignal.any([signal, AbortSignal.timeout(30_000)]));
  const parts = opening.move();
  const journal = join(folder, 'state', 'journal');
  return { agent, platform, proxy, repository, journal, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

async function startBroker(parts: AsyncDisposableStack): Promise<number> {
  if (hasMosquitto) return parts.use(await startMosquitto()).port;
  return parts.adopt(await startEmbeddedBroker(), (it) => it.close()).port;
}

function startOwnPlatform(port: number, url: string): Promise<Platform> {
  const log = createLog({ level: 'silent', pretty: false, colour: false });
  const repositories = [{ clusterId: shop.clusterId, tenantId: shop.tenantId, url }];
  const broker = { server: { host: '127.0.0.1', port } };
  return startPlatform({ broker, log, members: [ownMember('Initialized')], repositories });
}

async function writeInstance(folder: string, port: number, repoUrl: string): Promise<string> {
  const settings = {
    'mb.urls': `127.0.0.1:${port}`,
    'param.file.path': 'launch-params',
    'state.dir': 'state',
    'extensions.dir': 'extensions',
    'artifact.protocols': 'http',
    'stats.notifier.interval': '1',
    'log.format': 'json',
  };
  const params = {
    APPLICATION_ID: shop.applicationId,
    SERVICE_NAME: shop.serviceName,
    MULTITENANT: 'false',
    TENANT_ID: String(shop.tenantId),
    CLUSTER_ID: shop.clusterId,
    CARTRIDGE_KEY: shop.cartridgeKey,
    APPLICATION_PATH: join(folder, 'www'),
    REPO_URL: repoUrl,
    DEPENDENCY_CLUSTER_IDS: shop.dependencyClusterId,
    MEMBER_ID: shop.memberId,
    CLUSTER_INSTANCE_ID: shop.clusterInstanceId,
    NETWORK_PARTITION_ID: shop.networkPartitionId,
    PARTITION_ID: shop.partitionId,
  };
  const confFile = join(folder, 'agent.conf');
  await writeFile(confFile, `[agent]\n${pairs(settings).join('\n')}\n`);
  await writeFile(join(folder, 'launch-params'), pairs(params).join(','));
  return confFile;
}

function pairs(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([key, value]) => `${key}=${value}`);
}
