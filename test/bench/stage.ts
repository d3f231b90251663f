import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentProcess, startAgentProcess } from '../../agent/demo/agent-process.ts';
import { startEmbeddedBroker } from '../../agent/demo/broker.ts';
import { shop } from '../../agent/demo/story.ts';
import { topicOf } from '../../state/messages/topics.ts';
import { hasMosquitto, startMosquitto } from '../support/mosquitto.ts';
import { connectPeer, type Peer } from './peer.ts';

/** For one run: a broker of its own, the peer on it, and an agent that can be started. Everything is gone afterwards. */
export type Stage = AsyncDisposable & {
  readonly peer: Peer;
  readonly signal: AbortSignal;
  /** Starts the agent as a service manager would. `startedMs` is the moment just before. */
  startAgent(
    params?: Readonly<Record<string, string>>,
    conf?: Readonly<Record<string, string>>,
  ): Promise<AgentProcess & { readonly startedMs: number }>;
  /** Resolves when the agent, which must have a topology, has read everything about it that was said so far. */
  untilRead(agent: AgentProcess): Promise<void>;
};

/** The real broker, where it is installed. */
export const brokerKind = hasMosquitto ? 'mosquitto' : 'embedded';

/** Of the user the agents run as: compiled code is kept below it from one start to the next. The bench removes it. */
export const home = join(tmpdir(), `bench-home-${process.pid}`);

const program = new URL('../../agent/main.ts', import.meta.url).pathname;
const shippedConf = new URL('../../conf/broker/mosquitto.conf', import.meta.url);

export async function openStage(signal: AbortSignal): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  opening.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const port = await startBroker(opening);
  const peer = opening.use(await connectPeer({ port, tells: brokerKind === 'mosquitto', signal }));
  const parts = opening.move();
  return {
    peer,
    signal,
    async startAgent(params = {}, conf = {}) {
      const confFile = await writeInstance(folder, port, { params, conf });
      const logFile = join(folder, 'agent.log');
      // The variables of whoever runs this would be read too, by Node itself among others.
      const env = { PATH: process.env['PATH'] ?? '', HOME: home };
      const startedMs = performance.now();
      const agent = parts.adopt(await startAgentProcess({ program, confFile, logFile, env }), (it) => it.stop());
      return { ...agent, startedMs };
    },
    async untilRead(agent) {
      // A member that nobody knows of cannot have gone: it is complained about in the log.
      const complaint = agent.next(({ event, id }) => event === 'message.dropped' && id === 'nobody', signal);
      const { serviceName, clusterId } = shop;
      const text = JSON.stringify({ serviceName, clusterId, memberId: 'nobody' });
      await Promise.all([complaint, peer.pour([{ topic: topicOf('MemberTerminatedEvent'), text }])]);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Mosquitto with the settings we ship, without what the tests add to write everything to disk at once. */
async function startBroker(parts: AsyncDisposableStack): Promise<number> {
  if (brokerKind === 'embedded') return parts.adopt(await startEmbeddedBroker(), (it) => it.close()).port;
  const shipped = readFileSync(shippedConf, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const ours = ['allow_anonymous true', 'autosave_on_changes false', 'sys_interval 1'];
  return parts.use(await startMosquitto([...shipped, ...ours], { onDisk: true })).port;
}

/** As installers write it: only what has no default. */
async function writeInstance(
  folder: string,
  port: number,
  { params, conf }: Readonly<Record<'params' | 'conf', Readonly<Record<string, string>>>>,
): Promise<string> {
  const settings = {
    'mb.urls': `127.0.0.1:${port}`,
    'param.file.path': 'launch-params',
    'state.dir': 'state',
    'extensions.dir': 'extensions',
    'listen.address': '127.0.0.1',
    ...conf,
  };
  const identity = {
    APPLICATION_ID: shop.applicationId,
    SERVICE_NAME: shop.serviceName,
    TENANT_ID: String(shop.tenantId),
    CLUSTER_ID: shop.clusterId,
    CARTRIDGE_KEY: shop.cartridgeKey,
    APPLICATION_PATH: join(folder, 'www'),
    MEMBER_ID: shop.memberId,
    CLUSTER_INSTANCE_ID: shop.clusterInstanceId,
    NETWORK_PARTITION_ID: shop.networkPartitionId,
    PARTITION_ID: shop.partitionId,
    ...params,
  };
  const confFile = join(folder, 'agent.conf');
  await writeFile(confFile, `[agent]\n${pairs(settings).join('\n')}\n`);
  await writeFile(join(folder, 'launch-params'), pairs(identity).join(','));
  return confFile;
}

function pairs(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([key, value]) => `${key}=${value}`);
}
