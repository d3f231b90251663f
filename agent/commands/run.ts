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
import { type ConfPlaces, confPlaces } from './places.ts';

const cacheFlushMs = 5_000;

/** `run [--conf FILE] [--home DIR]`: the agent, in the foreground, until the instance is gone or a signal stops it. */
export const run: Command = async (args, { stderr, env, signal }) => {
  const { values } = parseArgs({ args: [...args], options: { conf: { type: 'string' }, home: { type: 'string' } } });
  const places = confPlaces(values);
  const loaded = loadOrNull(places, env, stderr);
  if (loaded === null) return exitCodes.configuration;

  const { config } = loaded;
  const { memberId: member, clusterId: cluster } = config.instance;
  const pretty = config.log.format === 'pretty' || (config.log.format === null && process.stdout.isTTY === true);
  const log = createLog({ level: config.log.level, pretty, colour: env['NO_COLOR'] === undefined }).child({
    member,
    cluster,
  });
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
