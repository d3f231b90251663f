import { ConfigError, formatProblems } from '../../state/config/problems.ts';
import { AgentError, reasonOf } from '../../state/errors.ts';
import { type Command, exitCodes } from './command.ts';
import { PluginUsageError } from './plugin/words.ts';

// Loaded when asked for: a test of a plugin need not pay for the host.
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  new: async () => (await import('./plugin/new.ts')).newPlugin,
  link: async () => (await import('./plugin/link.ts')).link,
  test: async () => (await import('./plugin/test.ts')).testPlugin,
  check: async () => (await import('./plugin/check.ts')).check,
  run: async () => (await import('./plugin/run.ts')).run,
  list: async () => (await import('./plugin/list.ts')).list,
};

const usage = `usage: cartridge-agent plugin COMMAND

  new NAME [--dir DIR]            makes a folder DIR/NAME with a plugin and its test; --script HOOK: with an executable
  test [DIR] [--watch]            runs the tests of a plugin: its *.test.ts and *.test.js, with node:test
  check PATH [--json]             loads a plugin, and fires every sample at each of its hooks, twice; runs no program
  run HOOK [--plugin PATH]        runs one hook once, for real, of a plugin (default: the one in this folder) or an
                                  executable: [--sample FILE] [--option KEY=VALUE]... [--attempt N] [--timeout TIME] [--json]
  list [--conf FILE] [--json]     plugins and executables of an agent, in the order they are run, and how they ended last
  link [DIR]                      lets npm and the editor find this agent in a folder that came from elsewhere

check and run also take [--option KEY=VALUE]... and [--conf FILE], whose section [plugin NAME] they use.
list also takes --home DIR, for an agent that was started with it.
plugins/README.md leads from nothing to a tested plugin.
`;

/**
 * `plugin new|test|check|run|list|link`: what authors of plugins need.
 *
 * @see plugins.md, "For authors"
 */
export const plugin: Command = async ([name = '', ...args], io) => {
  if (['--help', '-h', 'help'].includes(name)) {
    io.stdout.write(usage);
    return exitCodes.done;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    io.stderr.write(`${name === '' ? 'no command given' : `there is no command plugin "${name}"`}\n\n${usage}`);
    return exitCodes.usage;
  }
  try {
    const command = await load();
    return await command(args, io);
  } catch (error) {
    if (io.signal.aborted) return exitCodes.gaveUp;
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
    return error instanceof PluginUsageError ? exitCodes.usage : exitCodes.gaveUp;
  }
};

/** What `parseArgs` throws at misspelt options: the usage of all commands would not help. */
function isParseError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}
