import { ConfigError, formatProblems } from '../../state/config/problems.ts';
import { AgentError, reasonOf } from '../../state/errors.ts';
import { type Command, exitCodes } from './command.ts';
import { ConfigUsageError } from './config/failures.ts';

// Loaded when asked for, as in main.ts.
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  check: async () => (await import('./config/check.ts')).check,
  import: async () => (await import('./config/import.ts')).importOriginal,
};

const usage = `usage: cartridge-agent config COMMAND

  check [--conf FILE] [--home DIR] [--json]   reads a configuration as run does, and lists everything that is wrong with it
  import --conf FILE [--payload FILE]         makes an agent.conf out of one of the original agents, on stdout, and lists
                                              on stderr what has another meaning or default here, or none
      --home DIR                              the folder of an original agent, instead of --conf
      --out FILE                              writes it there, readable by its owner only if passwords are in it
      --force                                 even if that file exists

Exit code 0: done; 1: the file cannot be written; 2: usage; 78: what was read cannot be used.
run --home DIR takes the folder of an original agent as it stands.
`;

/** `config check|import`. */
export const config: Command = async ([name = '', ...args], io) => {
  if (['--help', '-h', 'help'].includes(name)) {
    io.stdout.write(usage);
    return exitCodes.done;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    io.stderr.write(`${name === '' ? 'no command given' : `there is no command config "${name}"`}\n\n${usage}`);
    return exitCodes.usage;
  }
  try {
    const command = await load();
    return await command(args, io);
  } catch (error) {
    if (error instanceof ConfigError) {
      io.stderr.write(formatProblems(error));
      return exitCodes.configuration;
    }
    if (isParseError(error)) {
      io.stderr.write(`${error.message}\n\n${usage}`);
      return exitCodes.usage;
    }
    if (!(error instanceof AgentError)) throw error;
    const cause = error.cause === undefined ? '' : `: ${reasonOf(error.cause)}`;
    io.stderr.write(`${error.message}${cause}\n${error.remedy} [${error.code}]\n`);
    return error instanceof ConfigUsageError ? exitCodes.usage : exitCodes.gaveUp;
  }
};

/** What `parseArgs` throws at misspelt options: the usage of all commands would not help. */
function isParseError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}
