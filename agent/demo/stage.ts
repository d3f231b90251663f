import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentError } from '../../state/errors.ts';
import type { Log } from '../log.ts';
import { type AgentProcess, startAgentProcess } from './agent-process.ts';
import { startEmbeddedBroker } from './broker.ts';
import { writeConf } from './conf.ts';
import { type BrokerAccess, type Platform, type PlatformOptions, startPlatform } from './platform.ts';
import { type DemoPlugin, installPlugin } from './plugin.ts';
import { createRepository, type PageRepository } from './repository.ts';
import { neighbours, ownMember, shop } from './story.ts';
import { installWebService, killServices } from './web.ts';

/** Everything one demonstration needs, all of it in one temporary folder. Leaves nothing behind when disposed. */
export type Stage = AsyncDisposable & {
  readonly broker: BrokerAccess;
  readonly platform: Platform;
  readonly repository: PageRepository;
  readonly memberId: string;
  readonly pageUrl: string;
  /** What Node runs as the agent. */
  readonly program: string;
  readonly paths: { readonly application: string; readonly state: string; readonly log: string };
  /** Starts the agent; once. */
  startAgent(): Promise<AgentProcess>;
};

/** Nobody answers as a broker there, or does not let us in. */
export class DemoBrokerUnreachableError extends AgentError {
  override readonly name = 'DemoBrokerUnreachableError';
  readonly code = 'DEMO_BROKER_UNREACHABLE';
  readonly remedy = 'Check host and port of --broker, that it speaks MQTT 3.1.1, and the user and password it wants.';
}

const connectLimitMs = 5_000;

/**
 * @param options - `broker`: null starts one; `program`: what Node runs as the agent; `plugin`: what it has besides the
 * service of the story
 * @throws EmbeddedBrokerMissingError, {@link DemoBrokerUnreachableError}, DemoRepositoryError; the reason of `signal`
 */
export async function setStage(options: {
  readonly broker: BrokerAccess | null;
  readonly plugin: DemoPlugin | null;
  readonly program: string;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<Stage> {
  const { env, log, plugin, program } = options;
  await using props = new AsyncDisposableStack(); // put away in reverse order
  const folder = await mkdtemp(join(tmpdir(), 'cartridge-agent-demo-'));
  const paths = pathsIn(folder);
  let agent: AgentProcess | null = null;
  props.defer(onSuddenExit(() => leaveNothing(agent, folder)));
  props.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));

  const repository = await createRepository(folder, env['PATH']);
  await installWebService(folder, process.execPath);
  props.defer(() => killServices(paths.application));
  if (plugin !== null) await installPlugin(folder, plugin);
  const broker = options.broker ?? at127(props.adopt(await startEmbeddedBroker(), (it) => it.close()).port);

  // Of this run alone: on a broker that others use, two demonstrations must not be the same instance.
  const memberId = `${shop.clusterId}${randomUUID()}`;
  const { clusterId, tenantId } = shop;
  const members = [...neighbours, ownMember('Created', memberId)];
  const repositories = [{ clusterId, tenantId, url: repository.url }];
  const platform = await startOn({ broker, log, members, repositories }, options.signal);
  props.defer(() => platform.stop());

  const port = await freePort();
  const instance = { broker, memberId, port, repoUrl: repository.url, applicationPath: paths.application, plugin };
  const confFile = await writeConf(folder, instance);
  const rest = props.move();

  return {
    broker,
    platform,
    repository,
    memberId,
    program,
    pageUrl: `http://127.0.0.1:${port}/`,
    paths,
    async startAgent() {
      const started = await startAgentProcess({
        program,
        confFile,
        logFile: paths.log,
        env: { ...env, TMPDIR: folder },
      });
      rest.defer(() => started.stop());
      agent = started;
      return started;
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

function pathsIn(folder: string): Stage['paths'] {
  return { application: join(folder, 'htdocs'), state: join(folder, 'state'), log: join(folder, 'agent.log') };
}

async function startOn(options: PlatformOptions, signal: AbortSignal): Promise<Platform> {
  try {
    return await startPlatform(options, AbortSignal.any([signal, AbortSignal.timeout(connectLimitMs)]));
  } catch {
    // All it says is that the time is over, or that we were told to stop.
    signal.throwIfAborted();
    const { host, port } = options.broker.server;
    const facts = { host, port, timeoutMs: connectLimitMs };
    const limit = `${connectLimitMs / 1_000} s`;
    throw new DemoBrokerUnreachableError(`cannot connect to the broker ${host}:${port} within ${limit}`, { facts });
  }
}

/** A second Ctrl-C ends the process on the spot. @returns what takes the precaution back */
function onSuddenExit(work: () => void): () => void {
  process.once('exit', work);
  return () => void process.off('exit', work);
}

function leaveNothing(agent: AgentProcess | null, folder: string): void {
  agent?.kill();
  killServices(pathsIn(folder).application);
  rmSync(folder, { recursive: true, force: true });
}

function at127(port: number): BrokerAccess {
  return { server: { host: '127.0.0.1', port } };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
