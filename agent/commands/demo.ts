import { parseArgs } from 'node:util';
import { AgentError, reasonOf } from '../../state/errors.ts';
import type { AgentProcess } from '../demo/agent-process.ts';
import { EmbeddedBrokerMissingError } from '../demo/broker.ts';
import { BrokerUrlError, parseBrokerUrl } from '../demo/broker-url.ts';
import { howToTalk } from '../demo/how-to-talk.ts';
import { narrateAgent, narratePlatform } from '../demo/narrator.ts';
import type { BrokerAccess } from '../demo/platform.ts';
import type { DemoPlugin } from '../demo/plugin.ts';
import { DemoBrokerUnreachableError, type Stage, setStage } from '../demo/stage.ts';
import { createTimeline, type Timeline } from '../demo/timeline.ts';
import { createWalk, titles, untilAborted, type Walk } from '../demo/walk.ts';
import { createLog } from '../log.ts';
import { type Command, type CommandIo, exitCodes } from './command.ts';
import { rehearse } from './demo/rehearse.ts';
import { locate, sectionsIn } from './plugin/locate.ts';
import { readyPlugin } from './plugin/ready.ts';
import { PluginUsageError } from './plugin/words.ts';

/** After a signal the instance is taken down in order, if that takes no longer. */
const orderlyEndMs = 8_000;

/** A plugin may hold for as long as it likes, and whoever writes it wants to see that. */
const pluginStepLimitMs = 600_000;

const usage = `usage: cartridge-agent demo [option]...

Walks one whole life of one instance on a simulated platform, told as it happens. Leaves no process and no file behind.

  --keep              stays active until Ctrl-C, and prints how to talk to it
  --broker URL        uses this broker, mqtt://host[:1883]; default: one of its own
  --plugin PATH       with this plugin, and again whenever it is saved
  --option KEY=VALUE  of the plugin, as agent.conf would have it; may be repeated

Exit code 0: done; 1: the life went wrong, or was stopped; 2: usage; 69: the broker cannot be reached.
`;

const words = {
  keep: { type: 'boolean', default: false },
  broker: { type: 'string' },
  plugin: { type: 'string' },
  option: { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

type Show = { readonly broker: BrokerAccess | null; readonly keep: boolean; readonly plugin: DemoPlugin | null };

/**
 * `demo [--keep] [--broker URL] [--plugin PATH [--option KEY=VALUE]...]`: one whole life of one instance on a simulated
 * platform, told as it happens; with a plugin another one whenever that is saved. Leaves no process and no file behind,
 * however it ends.
 */
export const demo: Command = async (args, io) => {
  const { values } = parseArgs({ args: [...args], options: words });
  if (values.help) {
    io.stdout.write(usage);
    return exitCodes.done;
  }
  try {
    const broker = values.broker === undefined ? null : parseBrokerUrl(values.broker);
    const { keep } = values;
    if (values.plugin === undefined) {
      if (values.option.length > 0) throw new PluginUsageError('cannot use --option without --plugin PATH');
      return await perform(async () => ({ broker, keep, plugin: null }), io);
    }
    const path = pluginAt(values.plugin);
    const about = { sections: sectionsIn(values), env: io.env };
    const live = (signal: AbortSignal) =>
      perform(async () => ({ broker, keep, plugin: await readyPlugin(path, about) }), { ...io, signal });
    return await rehearse(path, live, io);
  } catch (error) {
    return conclude(error, io);
  }
};

/** @throws PluginNotThereError, PluginUsageError */
function pluginAt(word: string): string {
  const located = locate(word);
  if (located.kind === 'plugin') return located.path;
  throw new PluginUsageError(`cannot use --plugin ${word}: it is an executable; try it with plugin run`);
}

async function perform(prepare: () => Promise<Show>, io: CommandIo): Promise<number> {
  try {
    return await play(await prepare(), io);
  } catch (error) {
    return conclude(error, io);
  }
}

/** @throws what is no failure an operator could act on */
function conclude(error: unknown, { signal, stderr }: CommandIo): number {
  if (signal.aborted) return exitCodes.gaveUp;
  if (!(error instanceof AgentError)) throw error;
  stderr.write(reportOn(error));
  return exitCodeOf(error);
}

async function play({ broker, keep, plugin }: Show, io: CommandIo): Promise<number> {
  const { env, signal, stdout } = io;
  const log = createLog({ level: 'error', pretty: false, colour: false, output: 2 });
  const timeline = createTimeline({ out: stdout, colour: isColourful(io), startedAt: Date.now() });
  const tell = (event: string, because: string) => timeline.add({ at: Date.now(), who: 'people', event, because });
  try {
    await using stage = await setStage({ broker, plugin, env, log, signal, program: process.argv[1] ?? '' });
    const { host, port } = stage.broker.server;
    tell(`start a platform on ${host}:${port}`, broker === null ? 'its own broker' : '--broker');
    narratePlatform(stage, timeline);
    tell(`push commit ${await stage.repository.push(titles[0])}`, stage.repository.url);
    if (plugin !== null) tell(`install the plugin ${plugin.name}`, plugin.path);
    signal.throwIfAborted();
    const agent = await stage.startAgent();
    tell('start the agent', `process ${agent.pid}`);
    narrateAgent(agent, stage, timeline);
    const walk = createWalk(stage, agent, { tell, ...(plugin === null ? {} : waitingFor(plugin)) });
    return await live({ stage, agent, walk, timeline, tell, keep }, io);
  } finally {
    timeline.end();
  }
}

function waitingFor({ name, hooks }: DemoPlugin) {
  const atUpdate = hooks.includes('artifactUpdated') ? { lastAtUpdate: `artifactUpdated ${name}` } : {};
  return { limitMs: pluginStepLimitMs, ...atUpdate };
}

type Play = {
  readonly stage: Stage;
  readonly agent: AgentProcess;
  readonly walk: Walk;
  readonly timeline: Timeline;
  readonly tell: (event: string, because: string) => void;
  readonly keep: boolean;
};

async function live({ stage, agent, walk, timeline, tell, keep }: Play, io: CommandIo): Promise<number> {
  const { stdout, signal } = io;
  try {
    await walk.comeUp(signal);
    if (keep) {
      await timeline.settle();
      stdout.write(howToTalk(stage));
      await untilAborted(agent.exited, signal);
    } else {
      await walk.update(signal);
    }
    await walk.goDown(signal);
    return exitCodes.done;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  tell('end the demo', String(signal.reason));
  // Whatever does not end in order is ended with the stage.
  const isInOrder = await walk.goDown(AbortSignal.timeout(orderlyEndMs)).then(
    () => true,
    () => false,
  );
  return keep && isInOrder ? exitCodes.done : exitCodes.gaveUp;
}

function isColourful({ stdout, env }: CommandIo): boolean {
  if (env['NO_COLOR']) return false;
  return Boolean(env['FORCE_COLOR']) || ('isTTY' in stdout && stdout.isTTY === true && env['TERM'] !== 'dumb');
}

/** Thing, cause, next step, stable code; and for a life that stopped the last words of the agent. */
function reportOn(error: AgentError): string {
  const cause = error.cause === undefined ? '' : `: ${reasonOf(error.cause)}`;
  const lastLines = error.facts['log'];
  const log = Array.isArray(lastLines) ? ['', 'the last lines of the agent:', ...lastLines].join('\n') : '';
  return `\n${error.message}${cause}\n${error.remedy} [${error.code}]\n${log}\n`;
}

function exitCodeOf(error: AgentError): number {
  if (error instanceof BrokerUrlError || error instanceof PluginUsageError) return exitCodes.usage;
  const isUnreachable = error instanceof DemoBrokerUnreachableError || error instanceof EmbeddedBrokerMissingError;
  return isUnreachable ? exitCodes.unreachable : exitCodes.gaveUp;
}
