import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'vitest';
import { type AgentProcess, type LogLine, startAgentProcess } from '../../agent/demo/agent-process.ts';
import { startEmbeddedBroker } from '../../agent/demo/broker.ts';
import type { HeardEvent } from '../../agent/demo/heard.ts';
import { type Platform, type PlatformOptions, startPlatform } from '../../agent/demo/platform.ts';
import { shop } from '../../agent/demo/story.ts';
import { createLog } from '../../agent/log.ts';
import { onTestFailed } from './current-test.ts';
import { freePort, hasMosquitto, startMosquitto } from './mosquitto.ts';

/** The real broker where there is one, the embedded one always: for what depends on the broker. */
export const brokers = hasMosquitto ? (['embedded', 'mosquitto'] as const) : (['embedded'] as const);

/** For what any broker does alike: the real one, where there is one. */
export const anyBroker = hasMosquitto ? 'mosquitto' : 'embedded';

/** What one test sets up of an instance. */
export type InstanceOptions = {
  readonly conf?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  /** Hook scripts by file name in extensions.dir; `$TRACE` is a file they may append to. */
  readonly hooks?: Readonly<Record<string, string>>;
  /** The folder of an original agent, instead of all that is above. */
  readonly home?: string;
  /** Variables of the agent's process, beside our own. */
  readonly env?: Readonly<Record<string, string>>;
};

/** One instance with its agent, a platform and the broker between them. Everything is gone after the test. */
export type Life = {
  readonly folder: string;
  readonly applicationPath: string;
  readonly brokerPort: number;
  platform(options?: Partial<PlatformOptions>): Promise<Platform>;
  agent(options?: InstanceOptions): Promise<Agent>;
  /** A free port; `listen` makes the service behind it come up. */
  port(): Promise<number>;
  listen(port: number): Promise<Server>;
};

export type Agent = AgentProcess & {
  readonly lines: readonly LogLine[];
  /** Resolves with the first log line that fits, past or future. */
  logged(fits: (line: LogLine) => boolean): Promise<LogLine>;
  /** What hook scripts wrote into `$TRACE`, line by line. */
  trace(): string[];
};

const program = new URL('../../agent/main.ts', import.meta.url).pathname;
const silent = createLog({ level: 'silent', pretty: false, colour: false });

export const lifeTest = test.extend<{ broker: (typeof brokers)[number]; life: Life }>({
  broker: 'embedded',
  life: async ({ broker }, use) => {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'life-'));
    stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const brokerPort = await startBroker(broker, stack);
    const applicationPath = join(folder, 'www');
    await use({
      folder,
      applicationPath,
      brokerPort,
      platform: async (options = {}) => {
        const access = { server: { host: '127.0.0.1', port: brokerPort } };
        return stack.adopt(await startPlatform({ broker: access, log: silent, ...options }), (it) => it.stop());
      },
      agent: async (options = {}) => {
        const { home } = options;
        const instance = { brokerPort, applicationPath, ...options };
        const confFile = home === undefined ? await writeInstance(folder, instance) : join(home, 'agent.conf');
        const env = { ...process.env, TRACE: join(folder, 'trace'), ...options.env };
        const logFile = join(folder, 'agent.log');
        const agent = await startAgentProcess({ program, confFile, home, logFile, env });
        stack.adopt(agent, (it) => it.stop());
        onTestFailed(() => void process.stderr.write(`${agent.lastLines.join('\n')}\n`));
        return observed(agent, join(folder, 'trace'));
      },
      port: freePort,
      listen: async (port) => {
        const server = createServer((socket) => socket.destroy());
        await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
        stack.defer(() => void server.close());
        return server;
      },
    });
  },
});

/** The status events heard of one member, in order. */
export function statusEvents(heard: readonly HeardEvent[], memberId: string = shop.memberId): string[] {
  return heard
    .filter(({ topic, body }) => topic.startsWith('instance/status/') && body['memberId'] === memberId)
    .map(({ event }) => event);
}

async function startBroker(kind: (typeof brokers)[number], stack: AsyncDisposableStack): Promise<number> {
  if (kind === 'mosquitto') return stack.use(await startMosquitto()).port;
  return stack.adopt(await startEmbeddedBroker(), (it) => it.close()).port;
}

function observed(agent: AgentProcess, traceFile: string): Agent {
  const lines: LogLine[] = [];
  const watchers = new Set<(line: LogLine) => void>();
  agent.onLine((line) => {
    lines.push(line);
    for (const watch of [...watchers]) watch(line);
  });
  return {
    ...agent,
    lines,
    logged: (fits) =>
      new Promise((resolve) => {
        const past = lines.find(fits);
        if (past !== undefined) return resolve(past);
        const watch = (line: LogLine) => {
          if (!fits(line)) return;
          watchers.delete(watch);
          resolve(line);
        };
        watchers.add(watch);
      }),
    trace: () => (existsSync(traceFile) ? readFileSync(traceFile, 'utf8').split('\n').slice(0, -1) : []),
  };
}

export async function writeInstance(
  folder: string,
  {
    brokerPort,
    applicationPath,
    conf = {},
    params = {},
    hooks = {},
  }: InstanceOptions & { brokerPort: number; applicationPath: string },
): Promise<string> {
  const settings = {
    'mb.urls': `127.0.0.1:${brokerPort}`,
    'param.file.path': 'launch-params',
    'state.dir': 'state',
    'extensions.dir': 'extensions',
    'listen.address': '127.0.0.1',
    'artifact.protocols': 'http,file',
    'stats.notifier.interval': '1',
    'log.level': 'trace',
    'log.format': 'json',
    ...conf,
  };
  const identity = {
    APPLICATION_ID: shop.applicationId,
    SERVICE_NAME: shop.serviceName,
    MULTITENANT: 'false',
    TENANT_ID: String(shop.tenantId),
    CLUSTER_ID: shop.clusterId,
    CARTRIDGE_KEY: shop.cartridgeKey,
    APPLICATION_PATH: applicationPath,
    PORTS: 'null',
    DEPENDENCY_CLUSTER_IDS: shop.dependencyClusterId,
    MEMBER_ID: shop.memberId,
    CLUSTER_INSTANCE_ID: shop.clusterInstanceId,
    NETWORK_PARTITION_ID: shop.networkPartitionId,
    PARTITION_ID: shop.partitionId,
    ...params,
  };
  const confFile = join(folder, 'agent.conf');
  await writeFile(confFile, `[agent]\n${pairs(settings).join('\n')}\n`);
  await writeFile(join(folder, 'launch-params'), pairs(identity).join(','));
  for (const [name, script] of Object.entries(hooks)) {
    const path = join(folder, 'extensions', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, script.startsWith('#!') ? script : `#!/bin/sh\nTRACE=${folder}/trace\n${script}\n`);
    await chmod(path, 0o755);
  }
  return confFile;
}

function pairs(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([key, value]) => `${key}=${value}`);
}
