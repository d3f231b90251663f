import type { Config } from '../../state/config/config.ts';
import { isSecretParam } from '../../state/config/launch-params.ts';
import { ConfigError, type Problem } from '../../state/config/problems.ts';
import type { AgentError } from '../../state/errors.ts';
import { Secret } from '../../state/secret.ts';
import type { Broker } from '../broker/broker.ts';
import type { ClockWatch } from '../clock.ts';
import { logConfigWarnings } from '../config-warnings.ts';
import { orderProblems } from '../hooks/check.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import { metadataOf } from '../metadata/client.ts';
import { hookOptions } from '../settings.ts';
import { createPluginHost, type PluginHost } from './host.ts';
import { pluginSections } from './sections.ts';
import { defaultTiming } from './timing.ts';
import { idleKeys, unkeptKeys } from './unkept.ts';
import type { PublishText } from './words.ts';

/** A busy machine takes a while to start a worker. */
const shortestStartMs = 2_000;

/** The plugins of an agent that has begun to live, perhaps not yet with everything they may reach. */
export type OpenPlugins = PluginHost & {
  /** From now on what plugins publish goes out, where until then it was dropped, and what is wrong with them is told. */
  attach(outside: { readonly broker: Pick<Broker, 'link' | 'publish'>; readonly send: Lifecycle['send'] }): void;
};

/**
 * Starts the plugins, and waits until each has said what it is, or had the time to: what is wrong with the configuration
 * is told before anybody hears of this agent.
 *
 * @param options - `clock`: told what the metadata service takes for the time; `confFile`: named in problems; `state`: of the lifecycle, null before its first step
 * @throws ConfigError with all that is wrong at once
 */
export async function openPlugins(options: {
  readonly config: Config;
  readonly confFile: string;
  readonly state: () => string | null;
  readonly clock?: Pick<ClockWatch, 'is'>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<OpenPlugins> {
  const { config, state, clock, environment, log, signal } = options;
  const closing = new AbortController();
  const { instance: ids } = hookOptions(config);
  let publish: PublishText = () => {};
  let onProblems = () => {};
  const host = createPluginHost({
    pluginsDir: config.hooks.pluginsDir,
    sections: pluginSections(config),
    instance: () => ({ ...ids, state: state() ?? 'created' }),
    secrets: (name) => secretNamed(name, config),
    metadata: metadataOf(config, {
      log: log.child({ part: 'metadata' }),
      signal: closing.signal,
      onServerTime: (timeMs) => clock?.is(timeMs, 'the metadata service'),
    }),
    publish: (topic, payload) => publish(topic, payload),
    onProblems: () => onProblems(),
    environment,
    owner: `${ids.memberId} ${config.stateDir}`,
    timing: { startMs: startMsFor(config) },
    log,
  });
  await readyOrAborted(host, signal);
  const problems = configurationProblems(host, options);
  if (problems.length > 0) {
    await close();
    throw new ConfigError(problems);
  }
  logConfigWarnings(idleKeys(host, options), log);

  return {
    ...host,
    close,
    [Symbol.asyncDispose]: close,
    attach({ broker, send }) {
      let told = '';
      publish = (topic, payload) => {
        if (broker.link === 'up') broker.publish(topic, payload, { qos: 0 }).catch(() => {}); // dropped, as it may be
      };
      onProblems = () => {
        const text = messagesOf(host.problems());
        const note = text === '' ? null : { condition: 'degraded' as const, text };
        if (text !== told) send({ type: 'Noticed', about: 'plugins', note });
        told = text;
      };
      onProblems();
    },
  };

  async function close(): Promise<void> {
    closing.abort(new Error('the agent stops'));
    await host.close();
  }
}

/** Whoever does not even load holds up the life of the instance for no longer than a hook that hangs. */
function startMsFor({ hooks }: Config): number {
  return Math.min(defaultTiming.startMs, Math.max(shortestStartMs, hooks.timeoutMs));
}

/** Waits until all plugins have said what they are, or nobody wants to know any more. */
export async function readyOrAborted({ ready }: PluginHost, signal: AbortSignal): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  if (!signal.aborted) await Promise.race([ready, aborted]);
}

type Checked = { readonly config: Config; readonly confFile: string };

/** What keeps an agent from starting: nobody knows what it was meant to do. */
export function configurationProblems(host: PluginHost, { config, confFile }: Checked): Problem[] {
  const { extensionsDir, pluginsDir } = config.hooks;
  const problem = (error: AgentError, plugin: string | null): Problem => {
    const key = plugin !== null && config.plugins.has(plugin) ? `[plugin ${plugin}]` : `plugins.dir = ${pluginsDir}`;
    return { file: confFile, line: null, key, wrong: error.message, nearest: null, write: error.remedy };
  };
  return [
    ...host.problems().flatMap((error) => (error.isConfiguration ? [problem(error, error.plugin)] : [])),
    ...orderProblems({ extensionsDir, plugins: host }).map((error) => problem(error, null)),
    ...unkeptKeys(host, { config, confFile }),
  ];
}

/** In one line. */
function messagesOf(problems: readonly AgentError[]): string {
  return problems.map(({ message }) => message).join('; ');
}

function secretNamed(name: string, { hooks }: Config): Secret | null {
  const value = isSecretParam(name) ? hooks.launchParams.get(name) : undefined;
  return value === undefined ? null : new Secret(value);
}
