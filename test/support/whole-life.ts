import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentProcess, type LogLine, startAgentProcess } from '../../agent/demo/agent-process.ts';
import { startEmbeddedBroker } from '../../agent/demo/broker.ts';
import type { HeardEvent } from '../../agent/demo/heard.ts';
import { type Platform, startPlatform } from '../../agent/demo/platform.ts';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { readJournal } from '../../agent/journal/journal.ts';
import { createLog } from '../../agent/log.ts';
import { type Facts, noFacts } from '../../state/lifecycle/facts.ts';
import type { GitServer } from './git-server.ts';
import { startMosquitto } from './mosquitto.ts';
import { prepare } from './whole-instance.ts';

/** What is done to the agent of a life. */
export type Attack = {
  /** CARTRIDGE_AGENT_FAULT of the first run, and of those that follow a death; without one a run is left alone. */
  readonly faults?: readonly string[];
  /** Kills the first run from outside, when that has happened. */
  readonly killWhen?: (seen: Seen) => boolean;
  /** This hook takes for ever the first time. */
  readonly slowHook?: string;
  /** What the platform has asked of the instance may be lost in a kill, and is asked again. */
  readonly mayLose?: boolean;
};

/** What a test sees of a life while it goes on. */
export type Seen = { readonly trace: readonly Traced[]; readonly lines: readonly LogLine[]; readonly said: string[] };

/** One line of a hook: it began, or came to its end. `about`: which content it was told of. */
export type Traced = {
  readonly what: 'begin' | 'end';
  readonly hook: string;
  readonly attempt: number;
  readonly about: string;
};

/** A life that has come to its end, and what is left of it. */
export type Ended = {
  /** Of the last run. */
  readonly exitCode: number | null;
  /** What each kill left: the facts of the journal, and how many lines of the trace. */
  readonly deaths: readonly { readonly facts: Facts; readonly traced: number }[];
  readonly trace: readonly Traced[];
  /** Status events as the platform heard them. */
  readonly heard: readonly HeardEvent[];
  readonly platformShows: string | null;
  readonly refused: number;
  /** By run. */
  readonly lines: readonly (readonly LogLine[])[];
  readonly served: string | null;
  readonly leftovers: readonly string[];
  /** Of each line of the journal, in the order of the file: whether it decides a status event. */
  readonly decides: readonly boolean[];
};

const program = new URL('../../agent/main.ts', import.meta.url).pathname;
const silent = createLog({ level: 'silent', pretty: false, colour: false });
const soonMs = 40_000;
const goneMs = 3_000;

/**
 * One whole life: a repository, hooks, a service, an update, a cleanup. The agent is attacked in its first run, and started
 * again, on the same disk, when that has killed it. Resolves when an agent has ended by itself.
 */
export async function liveOnce(
  options: { git: GitServer; broker: 'embedded' | 'mosquitto' },
  { faults = [], killWhen, slowHook = '', mayLose = false }: Attack,
): Promise<Ended> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'whole-life-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const brokerPort = await startBroker(options.broker, stack);
  const repository = await options.git.createRepository(`${folder.split('-').at(-1)}.git`);
  await repository.commit({ 'index.html': 'first' });
  const platform = stack.adopt(await startOwnPlatform(brokerPort, repository.url), (it) => it.stop());
  const confFile = await prepare(folder, { brokerPort, repositoryUrl: repository.url, slowHook });

  const seen = watch(folder, platform);
  const deaths: { facts: Facts; traced: number }[] = [];
  const begin = async (env: Record<string, string>) => {
    const run = seen.lines.push([]) - 1;
    const logFile = join(folder, `agent-${run}.log`);
    const agent = await startAgentProcess({ program, confFile, logFile, env: environmentOf(folder, env) });
    stack.defer(() => agent.kill());
    agent.onLine((line) => seen.lines[run]?.push(line));
    return agent;
  };

  async function live(): Promise<number | null> {
    for (let run = 0; ; run += 1) {
      const fault = faults[run];
      const agent = await begin(fault === undefined ? {} : { CARTRIDGE_AGENT_FAULT: fault });
      if (run === 0 && killWhen !== undefined) void killOnce(agent, () => killWhen(seen.now()));
      // The credentials were never on the disk; the platform sends them again when a member of the cluster starts.
      if (run > 0 && !seen.isServed('second')) await platform.artifactUpdated();
      if (run > 0 && mayLose && seen.isToLeave) await platform.cleanupMember();
      const exitCode = await agent.exited;
      if (exitCode !== null) return exitCode;
      const { facts } = readJournal(join(folder, 'state')).recovery;
      deaths.push({ facts: facts ?? noFacts, traced: seen.now().trace.length });
    }
  }

  /** What the platform does in this life, each thing once. */
  async function lead(): Promise<void> {
    await platform.waitFor('CompleteTopologyRequestEvent', undefined, { timeoutMs: soonMs });
    await platform.initializeMember();
    await platform.waitFor('InstanceActivatedEvent', undefined, { timeoutMs: soonMs });
    await repository.commit({ 'index.html': 'second' });
    await platform.artifactUpdated();
    await until(() =>
      seen
        .now()
        .trace.some(({ what, hook, about }) => what === 'end' && hook === 'artifactUpdated' && about === 'second'),
    );
    seen.isToLeave = true;
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent', undefined, { timeoutMs: soonMs });
  }

  const [exitCode] = await Promise.all([live(), lead()]).catch((cause) => {
    throw new Error(`the life did not come to its end:\n${seen.story()}`, { cause });
  });
  return {
    exitCode,
    deaths,
    trace: seen.now().trace,
    heard: ownStatus(platform),
    platformShows: platform.memberStatus(),
    refused: platform.refused.length,
    lines: seen.lines,
    served: contentOf(folder),
    leftovers: [...leftoversIn(folder), ...(await processesLeft(folder))],
    decides: journalLines(folder).map((line) => /"decided":\["/.test(line)),
  };
}

function startOwnPlatform(brokerPort: number, url: string): Promise<Platform> {
  const repositories = [{ clusterId: shop.clusterId, tenantId: shop.tenantId, url }];
  const members = [ownMember('Created')];
  const broker = { server: { host: '127.0.0.1', port: brokerPort } };
  return startPlatform({ broker, log: silent, members, repositories });
}

async function startBroker(kind: 'embedded' | 'mosquitto', stack: AsyncDisposableStack): Promise<number> {
  if (kind === 'mosquitto') return stack.use(await startMosquitto()).port;
  return stack.adopt(await startEmbeddedBroker(), (it) => it.close()).port;
}

/** Of an agent whose temporary files are to be found; without the faults of whoever runs the tests. */
export function environmentOf(folder: string, env: Record<string, string>): NodeJS.ProcessEnv {
  const { CARTRIDGE_AGENT_FAULT: _fault, ...inherited } = process.env;
  return { ...inherited, TMPDIR: join(folder, 'tmp'), ...env };
}

function watch(folder: string, platform: Platform) {
  const lines: LogLine[][] = [];
  const said = () => ownStatus(platform).map(({ event }) => event);
  const now = () => ({ trace: readTrace(folder), lines: lines.at(-1) ?? [], said: said() });
  return {
    lines,
    now,
    isToLeave: false,
    isServed: (text: string) =>
      contentOf(folder) === text &&
      now().trace.some(({ what, hook, about }) => what === 'end' && hook === 'artifactUpdated' && about === text),
    story: () =>
      [
        `said ${said().join(' ')}`,
        ...now().trace.map(({ what, hook, attempt, about }) => `${what} ${hook} ${attempt} ${about}`),
        ...lines.flatMap((run) => ['--- a run', ...run.slice(-40).map((line) => JSON.stringify(line))]),
      ].join('\n'),
  };
}

function ownStatus(platform: Platform): HeardEvent[] {
  return platform.heard.filter(
    ({ topic, body }) => topic.startsWith('instance/status/') && body['memberId'] === shop.memberId,
  );
}

function readTrace(folder: string): Traced[] {
  const file = join(folder, 'trace');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [what, hook = '', attempt, about = ''] = line.split(' ');
      return { what: what === 'begin' ? 'begin' : 'end', hook, attempt: Number(attempt), about };
    });
}

async function killOnce(agent: AgentProcess, isTime: () => boolean): Promise<void> {
  const gone = agent.exited.then(() => true);
  while (!isTime()) if (await Promise.race([gone, sleep(5)])) return;
  process.kill(agent.pid, 'SIGKILL');
}

export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + soonMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('it did not happen in time');
    await sleep(10);
  }
}

const sleep = (ms: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), ms));

function contentOf(folder: string): string | null {
  const file = join(folder, 'www', 'index.html');
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

function journalLines(folder: string): string[] {
  return readFileSync(join(folder, 'state', 'journal'), 'utf8')
    .split('\n')
    .slice(0, -1);
}

/** What nobody needs any more: temporary files, locks and sockets. */
function leftoversIn(folder: string): string[] {
  const expected = ['agent.conf', 'extensions', 'launch-params', 'slow', 'state', 'tmp', 'trace', 'www'];
  return [
    ...readdirSync(folder).filter((name) => !expected.includes(name) && !name.startsWith('agent-')),
    ...readdirSync(join(folder, 'tmp')).map((name) => `tmp/${name}`),
    ...readdirSync(join(folder, 'state'))
      .filter((name) => name !== 'journal')
      .map((name) => `state/${name}`),
    ...readdirSync(join(folder, 'www', '.git'), { recursive: true })
      .map(String)
      .filter((name) => /\.lock$|tmp_/.test(name)),
  ];
}

/** Whoever has anything of this life in its command or its environment, once those that were just ended have had time to. */
export async function processesLeft(folder: string): Promise<string[]> {
  const find = () => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isOf(folder, pid));
  const deadline = performance.now() + goneMs;
  while (find().length > 0 && performance.now() < deadline) await sleep(25);
  return find().map((pid) => `process ${pid}: ${readProc(pid, 'cmdline').replaceAll('\0', ' ')}`);
}

function isOf(folder: string, pid: string): boolean {
  return Number(pid) !== process.pid && `${readProc(pid, 'cmdline')}${readProc(pid, 'environ')}`.includes(folder);
}

/** Empty for the dead. */
function readProc(pid: string, file: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
