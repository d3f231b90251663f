import { flushCompileCache } from 'node:module';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeConfig } from '../../state/config/describe.ts';
import { ConfigError, formatProblems } from '../../state/config/problems.ts';
import { runAgent } from '../agent.ts';
import { type LoadedConfig, loadConfig } from '../config.ts';
import { logConfigWarnings } from '../config-warnings.ts';
import { StateDirTakenError } from '../lock.ts';
import { createLog, failure, type Log } from '../log.ts';
import { watchTerminator } from '../terminator.ts';
import { type Command, exitCodes } from './command.ts';
import { type ConfPlaces, confPlaces, defaultConfFile } from './places.ts';

const cacheFlushMs = 5_000;

const usage = `usage: cartridge-agent run [option]...

Runs the agent in the foreground, until the instance is gone or SIGTERM or SIGINT stops it. Logs to stdout.

  --conf FILE  the agent.conf; default ${defaultConfFile}
  --home DIR   the folder of an original agent, as it stands; with --conf, FILE instead of the agent.conf in it

Exit code 0: done, or stopped; 1: gave up; 2: usage; 75: another agent runs on this state.dir; 78: the configuration
cannot be used.
`;

const words = {
  conf: { type: 'string' },
  home: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** `run [--conf FILE] [--home DIR]`: the agent, in the foreground, until the instance is gone or a signal stops it. */
export const run: Command = async (args, { stdout, stderr, env, signal }) => {
  const { values } = parseArgs({ args: [...args], options: words });
  if (values.help) {
    stdout.write(usage);
    return exitCodes.done;
  }
  const places = confPlaces(values);
  const loaded = loadOrNull(places, env, stderr);
  if (loaded === null) return exitCodes.configuration;

  const { config } = loaded;
  const { memberId: member, clusterId: cluster } = config.instance;
  const pretty = config.log.format === 'pretty' || (config.log.format === null && process.stdout.isTTY === true);
  const colour = env['NO_COLOR'] === undefined;
  const log = createLog({ level: config.log.level, pretty, colour, base: { member, cluster } });
  logStart(loaded, log);
  // Written when the start is over; Node itself would do it at the exit only, which a crash never sees.
  setTimeout(flushCompileCache, cacheFlushMs).unref();
  const confFile = resolve(places.confFile);
  const { home } = places;
  const stopping = home === null ? signal : AbortSignal.any([signal, watchTerminator(home, { log, signal })]);
  const end = await runAgent({ config, confFile, log, environment: env, signal: stopping }).catch((error: unknown) => {
    if (error instanceof ConfigError) {
      stderr.write(formatProblems(error));
      return exitCodes.configuration;
    }
    if (!(error instanceof StateDirTakenError)) throw error;
    log.error({ event: 'agent.refused', ...failure(error) }, 'another agent has state.dir');
    return exitCodes.tryLater;
  });
  // A probe of a port that swallows packets stays open for minutes; nothing else may be waited for by now.
  setTimeout(() => process.exit(), 100).unref();
  if (typeof end === 'number') return end;
  return end.gaveUp ? exitCodes.gaveUp : exitCodes.done;
};

/** The report goes to stderr as text: there is no log yet that anybody configured. */
function loadOrNull(
  places: ConfPlaces,
  environment: NodeJS.ProcessEnv,
  stderr: NodeJS.WritableStream,
): LoadedConfig | null {
  try {
    return loadConfig({ ...places, environment });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    stderr.write(formatProblems(error));
    return null;
  }
}

function logStart({ config, warnings, sources }: LoadedConfig, log: Log): void {
  const files = [...sources.confFiles, sources.launchParams];
  const runtime = { pid: process.pid, node: process.version };
  log.info({ event: 'agent.started', ...runtime, files, config: describeConfig(config) }, 'agent started');
  logConfigWarnings(warnings, log);
}
