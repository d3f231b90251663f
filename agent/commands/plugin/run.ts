import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import type { HookName } from '../../../plugins/contract.ts';
import { integer } from '../../../state/config/kinds.ts';
import { isSecretParam } from '../../../state/config/launch-params.ts';
import { duration } from '../../../state/config/quantities.ts';
import { Secret } from '../../../state/secret.ts';
import { shownExactly } from '../../../state/status/duration.ts';
import { createExecutableRunners } from '../../hooks/executable-runner.ts';
import type { Executable } from '../../hooks/executables.ts';
import { createReaper } from '../../hooks/reaper.ts';
import type { Asked, Runner } from '../../hooks/runners.ts';
import { createLog, type Log } from '../../log.ts';
import { createPluginHost } from '../../plugins/host.ts';
import { type Command, type CommandIo, exitCodes } from '../command.ts';
import { printable, toHarmlessJson } from '../events/harmless.ts';
import { mayColour } from '../events/lines.ts';
import { fire, inWords } from './fire.ts';
import { alone, locate, sectionsIn } from './locate.ts';
import { type ReadyPlugin, readyPlugin } from './ready.ts';
import { defaultSample, readSample, type Sample } from './samples.ts';
import { hookNamed, oneWord, read } from './words.ts';

const words = {
  plugin: { type: 'string', default: '.' },
  sample: { type: 'string', default: 'default' },
  option: { type: 'string', multiple: true, default: [] as string[] },
  conf: { type: 'string' },
  attempt: { type: 'string', default: '1' },
  timeout: { type: 'string', default: '60s' },
  json: { type: 'boolean', default: false },
} as const;

const graces = { graceMs: 2_000, hurriedGraceMs: 400 };

/** What is tried, and with what. */
type Trial = {
  readonly hook: HookName;
  readonly sample: Sample;
  readonly log: Log;
};

/**
 * `plugin run HOOK [--plugin PATH]`: one hook of a plugin or an executable, once and for real. Without a path it is the
 * plugin in the present folder. stdout has how it ended, stderr
 * what it said on the way.
 */
export const run: Command = async (args, io) => {
  const { values, positionals } = parseArgs({ args: [...args], options: words, allowPositionals: true });
  const hook = hookNamed(oneWord(positionals, 'one HOOK'));
  const located = locate(values.plugin);
  const sample = values.sample === 'default' ? await defaultSample(hook) : await readSample(hook, values.sample);
  const log = createLog({ level: 'info', pretty: true, colour: mayColour(io.stderr, io.env), output: 2 });
  const trial = { hook, sample, log };
  await using stage =
    located.kind === 'plugin'
      ? await stagePlugin(await readyPlugin(located.path, { sections: sectionsIn(values), env: io.env }), trial, io)
      : stageExecutable(located.executable, trial, io);
  const { runner } = stage;
  if (runner === null) {
    io.stderr.write(`cannot run ${hook} of ${values.plugin}: it has no such hook\n`);
    return exitCodes.gaveUp;
  }
  const status: string[] = [];
  const { asked, durationMs } = await fire(runner, {
    hook,
    sample,
    attempt: read('--attempt', values.attempt, integer(1, 1_000)),
    limitMs: read('--timeout', values.timeout, duration('s')),
    onStatus(text) {
      status.push(text);
      io.stderr.write(`status: ${printable(text)}\n`);
    },
    signal: io.signal,
  });
  print({ hook, runner: runner.name, sample: sample.name, asked, status, durationMs }, values.json, io);
  if (asked.kind === 'done') return exitCodes.done;
  return asked.kind === 'hold' ? exitCodes.tryLater : exitCodes.gaveUp;
};

type Stage = AsyncDisposable & { readonly runner: Runner | null };

/** @throws PluginError - the agent would not use it */
async function stagePlugin(plugin: ReadyPlugin, { hook, sample, log }: Trial, { env }: CommandIo): Promise<Stage> {
  const { name, path, section } = plugin;
  await using props = new AsyncDisposableStack();
  const folder = props.use(await alone(path, name));
  const host = props.use(
    createPluginHost({
      pluginsDir: folder.pluginsDir,
      sections: new Map([[name, section]]),
      instance: () => ({ ...sample.instance, state: 'active' }),
      secrets: (secret) => secretFrom(env, secret),
      environment: env,
      owner: `plugin run ${process.pid}`,
      log,
    }),
  );
  await host.ready;
  const [problem] = host.problems();
  if (problem !== undefined) throw problem;
  const [runner = null] = host.runnersFor(hook);
  const rest = props.move();
  return { runner, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

function stageExecutable(executable: Executable, { sample, log }: Trial, { env }: CommandIo): Stage {
  const reaper = createReaper({ log, ...graces });
  const runnerOf = createExecutableRunners({
    config: {
      extensionsDir: dirname(executable.path),
      timeoutMs: 0, // the caller keeps the limit
      passSecrets: false,
      paramFilePath: null,
      applicationPath: 'path' in sample.input && typeof sample.input.path === 'string' ? sample.input.path : null,
      persistenceMapping: null,
      launchParams: launchParamsOf(sample),
    },
    instance: sample.instance,
    environment: env,
    facts: () => ({ ...nothing, serviceProperties: {}, clusterProperties: {}, memberProperties: {} }),
    temporaryFolder: tmpdir(),
    folderPrefix: `cartridge-hook-run-${process.pid}-`,
    reaper,
    log: log.child({ part: 'hooks' }),
  });
  return { runner: runnerOf(executable), [Symbol.asyncDispose]: () => reaper.hurry() };
}

const nothing = { mbIp: null, lbIp: null, lbPublicIp: null };

/** Of the real ones only those a sample knows. */
function launchParamsOf({ instance }: Sample): ReadonlyMap<string, string> {
  const { applicationId, serviceName, clusterId, memberId, tenantId } = instance;
  return new Map([
    ['APPLICATION_ID', applicationId],
    ['SERVICE_NAME', serviceName],
    ['CLUSTER_ID', clusterId],
    ['MEMBER_ID', memberId],
    ...(tenantId === null ? [] : [['TENANT_ID', String(tenantId)] as const]),
  ]);
}

/** An author gives a plugin its secrets as variables of the same name; other variables are none of its business. */
function secretFrom(env: Readonly<NodeJS.ProcessEnv>, name: string): Secret | null {
  const value = isSecretParam(name) ? env[name] : undefined;
  return value === undefined ? null : new Secret(value);
}

type Ran = {
  readonly hook: string;
  readonly runner: string;
  readonly sample: string;
  readonly asked: Asked;
  readonly status: readonly string[];
  readonly durationMs: number;
};

const marks = { done: '✓', hold: '◐', veto: '▲', failed: '✗', cannotRun: '✗' } as const;

function print({ asked, ...ran }: Ran, asJson: boolean, { stdout }: CommandIo): void {
  if (!asJson) {
    const { runner, durationMs } = ran;
    stdout.write(
      `${marks[asked.kind]} ${runner}  ${printable(inWords(asked).replace(/\s*\n\s*/g, ' '))}  ${shownExactly(durationMs)}\n`,
    );
    return;
  }
  const reason = 'reason' in asked ? asked.reason : asked.kind === 'cannotRun' ? asked.error.message : null;
  const retryAfterMs = asked.kind === 'hold' ? asked.retryAfterMs : null;
  const document = { schema: 'cartridge-agent.plugin-run/1', ...ran, verdict: asked.kind, reason, retryAfterMs };
  stdout.write(`${toHarmlessJson(document)}\n`);
}
