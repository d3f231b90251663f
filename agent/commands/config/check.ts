import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../../../state/config/config.ts';
import { ConfigError, type ConfigWarning, formatProblem, type Problem } from '../../../state/config/problems.ts';
import type { AgentError } from '../../../state/errors.ts';
import { loadConfig } from '../../config.ts';
import { checkHooks } from '../../hooks/check.ts';
import { HookOrderError } from '../../hooks/order.ts';
import { configurationProblems, readyOrAborted } from '../../plugins/open.ts';
import { type Command, type CommandIo, exitCodes } from '../command.ts';
import { printable, toHarmlessJson } from '../events/harmless.ts';
import { type ConfPlaces, confPlaces } from '../places.ts';
import { createOnlooker } from '../plugin/onlooker.ts';

const words = {
  conf: { type: 'string' },
  home: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

/** Problems keep the agent from starting; warnings do not. */
type Checked = {
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly ConfigWarning[];
};

/**
 * `config check [--conf FILE] [--home DIR] [--json]`: reads what `run` would read, plugins too, and changes nothing. Exit 78
 * with problems.
 */
export const check: Command = async (args, io) => {
  const { values } = parseArgs({ args: [...args], options: words });
  const checked = await checkConfig(confPlaces(values), io);
  if (io.signal.aborted) return exitCodes.gaveUp;
  const isUsable = checked.problems.length === 0;
  if (values.json) {
    io.stdout.write(`${toHarmlessJson({ schema: 'cartridge-agent.config-check/1', ok: isUsable, ...checked })}\n`);
  } else io.stdout.write(textOf(checked));
  return isUsable ? exitCodes.done : exitCodes.configuration;
};

async function checkConfig(places: ConfPlaces, io: CommandIo): Promise<Checked> {
  try {
    const { config, warnings, sources } = loadConfig({ ...places, environment: io.env });
    const files = [...sources.confFiles, sources.launchParams];
    const found = await checkHooksAndPlugins(config, { confFile: resolve(places.confFile), io });
    return { files, problems: found.problems, warnings: [...warnings, ...found.warnings] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { files: [places.confFile], problems: error.problems, warnings: error.warnings };
  }
}

/** Plugins are loaded in their workers, as at a start, each with its time to say what it is, and ended again. */
async function checkHooksAndPlugins(
  config: Config,
  { confFile, io }: { confFile: string; io: CommandIo },
): Promise<Pick<Checked, 'problems' | 'warnings'>> {
  const { extensionsDir, pluginsDir } = config.hooks;
  await using plugins = createOnlooker(config, io);
  await readyOrAborted(plugins, io.signal);
  const broken = plugins.problems().filter(({ isConfiguration }) => !isConfiguration);
  // An order that cannot be is a problem, not a warning.
  const hooks = (await checkHooks({ extensionsDir, plugins })).filter((error) => !(error instanceof HookOrderError));
  return {
    problems: configurationProblems(plugins, { config, confFile }),
    warnings: [
      ...broken.map((error) => warningOf(error, pluginsDir)),
      ...hooks.map((error) => warningOf(error, extensionsDir)),
    ],
  };
}

function warningOf({ message, remedy }: AgentError, file: string): ConfigWarning {
  return { file, line: null, key: null, wrong: message, nearest: null, write: remedy };
}

function textOf({ files, problems, warnings }: Checked): string {
  const all = [
    ...problems.map((one) => `✗ ${formatProblem(one)}`),
    ...warnings.map((one) => `! ${formatProblem(one)}`),
  ];
  const found = `${counted(problems.length, 'problem')}, ${counted(warnings.length, 'warning')} in ${files.join(', ')}`;
  return `${[...all, found]
    .join('\n')
    .split('\n')
    .map((line) => printable(line))
    .join('\n')}\n`;
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
