import { parseArgs } from 'node:util';
import { AgentError, reasonOf } from '../../state/errors.ts';
import type { AgentProcess } from '../demo/agent-process.ts';
import { EmbeddedBrokerMissingError } from '../demo/broker.ts';
import { BrokerUrlError, parseBrokerUrl } from '../demo/broker-url.ts';
import { howToTalk } from '../demo/how-to-talk.ts';
import { narrateAgent, narratePlatform } from '../demo/narrator.ts';
import type { BrokerAccess } from '../demo/platform.ts';
import { DemoBrokerUnreachableError, type Stage, setStage } from '../demo/stage.ts';
import { createTimeline, type Timeline } from '../demo/timeline.ts';
import { createWalk, titles, untilAborted } from '../demo/walk.ts';
import { createLog } from '../log.ts';
import { type Command, type CommandIo, exitCodes } from './command.ts';

/** After a signal the instance is taken down in order, if that takes no longer. */
const orderlyEndMs = 8_000;

type Options = { readonly broker: BrokerAccess | null; readonly keep: boolean };

/**
 * `demo [--keep] [--broker URL]`: one whole life of one instance on a simulated platform, told as it happens.
 * Leaves no process and no file behind, however it ends.
 */
export const demo: Command = async (args, io) => {
  const options = { keep: { type: 'boolean', default: false }, broker: { type: 'string' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  try {
    const broker = values.broker === undefined ? null : parseBrokerUrl(values.broker);
    return await play({ broker, keep: values.keep }, io);
  } catch (error) {
    if (io.signal.aborted) return exitCodes.gaveUp;
    if (!(error instanceof AgentError)) throw error;
    io.stderr.write(reportOn(error));
    return exitCodeOf(error);
  }
};

async function play({ broker, keep }: Options, io: CommandIo): Promise<number> {
  const { env, signal, stdout } = io;
  const log = createLog({ level: 'error', pretty: false, colour: false, output: 2 });
  const timeline = createTimeline({ out: stdout, colour: isColourful(io), startedAt: Date.now() });
  const tell = (event: string, because: string) => timeline.add({ at: Date.now(), who: 'people', event, because });
  try {
    await using stage = await setStage({ broker, env, log, signal, program: process.argv[1] ?? '' });
    const { host, port } = stage.broker.server;
    tell(`start a platform on ${host}:${port}`, broker === null ? 'its own broker' : '--broker');
    narratePlatform(stage, timeline);
    tell(`push commit ${await stage.repository.push(titles[0])}`, stage.repository.url);
    signal.throwIfAborted();
    const agent = await stage.startAgent();
    tell('start the agent', `process ${agent.pid}`);
    narrateAgent(agent, stage, timeline);
    return await live({ stage, agent, timeline, tell, keep }, io);
  } finally {
    timeline.end();
  }
}

type Play = {
  readonly stage: Stage;
  readonly agent: AgentProcess;
  readonly timeline: Timeline;
  readonly tell: (event: string, because: string) => void;
  readonly keep: boolean;
};

async function live({ stage, agent, timeline, tell, keep }: Play, { stdout, signal }: CommandIo): Promise<number> {
  const walk = createWalk(stage, agent, tell);
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
  if (error instanceof BrokerUrlError) return exitCodes.usage;
  const isUnreachable = error instanceof DemoBrokerUnreachableError || error instanceof EmbeddedBrokerMissingError;
  return isUnreachable ? exitCodes.unreachable : exitCodes.gaveUp;
}
