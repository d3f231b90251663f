import { parseArgs } from 'node:util';
import { ConfigError, type ConfigWarning, formatProblem, type Problem } from '../../../state/config/problems.ts';
import { loadConfig } from '../../config.ts';
import { checkHooks } from '../../hooks/check.ts';
import { type Command, type CommandIo, exitCodes } from '../command.ts';
import { printable, toHarmlessJson } from '../events/harmless.ts';
import { type ConfPlaces, confPlaces } from '../places.ts';

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

/** `config check [--conf FILE] [--home DIR] [--json]`: reads what `run` would read, and changes nothing. Exit 78 with problems. */
export const check: Command = async (args, { stdout, env }) => {
  const { values } = parseArgs({ args: [...args], options: words });
  const checked = await checkConfig(confPlaces(values), env);
  const isUsable = checked.problems.length === 0;
  if (values.json) {
    stdout.write(`${toHarmlessJson({ schema: 'cartridge-agent.config-check/1', ok: isUsable, ...checked })}\n`);
  } else stdout.write(textOf(checked));
  return isUsable ? exitCodes.done : exitCodes.configuration;
};

async function checkConfig(places: ConfPlaces, environment: CommandIo['env']): Promise<Checked> {
  try {
    const { config, warnings, sources } = loadConfig({ ...places, environment });
    const { extensionsDir } = config.hooks;
    const scripts = (await checkHooks({ extensionsDir })).map(({ message, remedy }) => {
      return { file: extensionsDir, line: null, key: null, wrong: message, nearest: null, write: remedy };
    });
    const files = [...sources.confFiles, sources.launchParams];
    return { files, problems: [], warnings: [...warnings, ...scripts] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { files: [places.confFile], problems: error.problems, warnings: error.warnings };
  }
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
