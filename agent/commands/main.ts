import packageJson from '../../package.json' with { type: 'json' };
import { type Command, type CommandIo, exitCodes } from './command.ts';

// Loaded when asked for: `run` pays for no other command, nor for the libraries behind it.
const commands: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  run: {
    summary: 'runs the agent in the foreground: [--conf FILE] (default /etc/cartridge-agent/agent.conf) [--home DIR]',
    load: async () => (await import('./run.ts')).run,
  },
  status: {
    summary: 'asks the agent of this machine how it is: [--json] [--wait STATE] [--assert condition=ok]',
    load: async () => (await import('./status.ts')).status,
  },
  history: {
    summary: 'prints which commits ran here, since when: [COMMIT] [--tenant ID] [--json]',
    load: async () => (await import('./history.ts')).history,
  },
  gate: {
    summary: 'lets a blocked hook be asked again, or skips it: retry|skip HOOK --reason TEXT',
    load: async () => (await import('./gate.ts')).gate,
  },
  config: {
    summary: 'checks a configuration, or makes one out of that of an original agent: check, import',
    load: async () => (await import('./config.ts')).config,
  },
  events: {
    summary: 'prints every event on a broker: --broker URL [--event NAME] [--member TEXT] [--json]',
    load: async () => (await import('./events.ts')).events,
  },
  plugin: {
    summary: 'makes, tests, checks, runs and lists plugins and hooks: new, test, check, run, list, link',
    load: async () => (await import('./plugin.ts')).plugin,
  },
  demo: {
    summary: 'walks a whole life on a simulated platform: [--keep] [--broker URL] [--plugin PATH]',
    load: async () => (await import('./demo.ts')).demo,
  },
};

/**
 * The command line: `cartridge-agent COMMAND ...`.
 *
 * @returns the exit code; see {@link exitCodes}
 */
export async function main([name = '', ...args]: readonly string[]): Promise<number> {
  if (name === 'help' || isHelp(name)) {
    process.stdout.write(usage());
    return exitCodes.done;
  }
  if (name === '--version') {
    process.stdout.write(`${packageJson.version}\n`);
    return exitCodes.done;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    process.stderr.write(`${name === '' ? 'no command given' : `there is no command "${name}"`}\n\n${usage()}`);
    return exitCodes.usage;
  }
  const { stdout, stderr, env } = process;
  const io: CommandIo = { stdout, stderr, env, signal: abortOn('SIGTERM', 'SIGINT', 'SIGHUP') };
  const run = await command.load();
  try {
    // Wherever it stands, and whatever stands beside it: who asks for help has not made up their mind.
    return await run(args.some(isHelp) ? ['--help'] : args, io);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`${error.message}\n\n${usage()}`);
    return exitCodes.usage;
  }
}

function usage(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(8)}${summary}`);
  return `usage: cartridge-agent COMMAND\n\n${lines.join('\n')}\n\nCOMMAND --help tells all of its options.\n`;
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h';
}

/** The first signal asks everything to stop; the second one is from somebody who has waited long enough. */
function abortOn(...signals: NodeJS.Signals[]): AbortSignal {
  const stopping = new AbortController();
  for (const signal of signals) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(128 + (signal === 'SIGINT' ? 2 : signal === 'SIGHUP' ? 1 : 15));
      stopping.abort(signal);
    });
  }
  return stopping.signal;
}

/** What `parseArgs` throws at misspelt options. */
function isUsageError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}
