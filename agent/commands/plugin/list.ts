import { parseArgs } from 'node:util';
import { type HookName, hooks } from '../../../plugins/contract.ts';
import type { Config } from '../../../state/config/config.ts';
import { AgentError } from '../../../state/errors.ts';
import type { StatusHook } from '../../../state/status.ts';
import { loadConfig } from '../../config.ts';
import { checkHooks } from '../../hooks/check.ts';
import { findExecutables, HookFolderError, placeOf } from '../../hooks/executables.ts';
import { orderRunners } from '../../hooks/order.ts';
import type { Ordered, Runner } from '../../hooks/runners.ts';
import type { PluginHost } from '../../plugins/host.ts';
import { type Command, type CommandIo, exitCodes } from '../command.ts';
import { toHarmlessJson } from '../events/harmless.ts';
import { mayColour } from '../events/lines.ts';
import { confPlaces } from '../places.ts';
import { lookAtInstance } from '../status/look.ts';
import { type ListedRunner, listText, type PluginList } from './list-text.ts';
import { createOnlooker } from './onlooker.ts';

const words = {
  conf: { type: 'string' },
  home: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/**
 * `plugin list [--conf FILE] [--home DIR] [--json]`: loads the plugins as the agent would, calls nothing of them, and asks the agent, if
 * it runs, how everything ended last.
 */
export const list: Command = async (args, io) => {
  const { values } = parseArgs({ args: [...args], options: words });
  const { config } = loadConfig({ ...confPlaces(values), environment: io.env });
  const found = await lookAround(config, io);
  if (values.json) io.stdout.write(`${toHarmlessJson(found)}\n`);
  else io.stdout.write(listText(found, { colour: mayColour(io.stdout, io.env) }));
  return exitCodes.done;
};

async function lookAround(config: Config, io: CommandIo): Promise<PluginList> {
  const { extensionsDir } = config.hooks;
  await using host = createOnlooker(config, io);
  const [ran] = await Promise.all([hooksThatRan(config.stateDir), host.ready]);
  const problems: AgentError[] = [...host.problems(), ...(await checkHooks({ extensionsDir, plugins: host }))];
  return {
    schema: 'cartridge-agent.plugins/1',
    at: new Date().toISOString(),
    plugins: host.list().map(({ state, crashes: _, ...plugin }) => ({ ...plugin, loads: state !== 'broken' })),
    hooks: hookNames.flatMap((hook) => {
      const runners = runnersOf(hook, extensionsDir, host).map((runner) => listed(hook, runner, ran));
      return runners.length === 0 ? [] : [{ hook, kind: hooks[hook].kind, runners }];
    }),
    problems: problems.map(({ code, message, remedy }) => ({ code, message, remedy })),
  };
}

const hookNames = Object.keys(hooks) as HookName[];

type Listable = Ordered & Partial<Pick<Runner, 'mode' | 'limits'>>;

function runnersOf(hook: HookName, extensionsDir: string, host: PluginHost): readonly Listable[] {
  return orderRunners<Listable>(hook, [...host.runnersFor(hook), ...executablesOf(hook, extensionsDir)]).runners;
}

/** None if the folder cannot be read: that is among the problems. */
function executablesOf(hook: HookName, extensionsDir: string): Ordered[] {
  try {
    return findExecutables(extensionsDir, hook).executables.map(placeOf);
  } catch (thrown) {
    if (thrown instanceof HookFolderError) return [];
    throw thrown;
  }
}

/** Nothing if nobody answers: this is about what would be run. */
async function hooksThatRan(stateDir: string): Promise<readonly StatusHook[]> {
  try {
    return (await lookAtInstance(stateDir)).hooks;
  } catch (thrown) {
    if (thrown instanceof AgentError) return [];
    throw thrown;
  }
}

function listed(hook: HookName, runner: Listable, ran: readonly StatusHook[]): ListedRunner {
  const { name, kind, mode = 'enforce', limits } = runner;
  const last = ran.find((one) => one.hook === hook && one.executable === name);
  return { name, kind, mode, timeoutMs: limits?.timeoutMs ?? null, last: last === undefined ? null : endOf(last) };
}

function endOf({ end, reason, attempt, durationMs, agoMs }: StatusHook): ListedRunner['last'] {
  return { end, reason, attempt, durationMs, agoMs };
}
