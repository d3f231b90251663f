import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { HookName } from '../../plugins/contract.ts';
import type { Secret } from '../../state/secret.ts';
import { createReaders, type HealthReader, type Statistics } from '../health/readers.ts';
import { endInterrupted } from '../hooks/interrupted.ts';
import { cleanerOf } from '../hooks/output.ts';
import { createReaper } from '../hooks/reaper.ts';
import type { Runner } from '../hooks/runners.ts';
import { failure, type Log } from '../log.ts';
import type { MetadataService } from '../metadata/client.ts';
import { createAnswers } from './answers.ts';
import { PluginConflictError, type PluginError, PluginReportError } from './failures.ts';
import { pluginHealth } from './health.ts';
import { type LoadedPlugin, loadPlugin } from './load.ts';
import type { Instance } from './messages.ts';
import { pluginRunner } from './runner.ts';
import { type PluginCheckout, type PluginCommit, pluginCheckout, pluginCommit } from './take-over.ts';
import { defaultTiming, type HostTiming } from './timing.ts';
import { findUsedPlugins, logDiscovery } from './used.ts';
import { createWords, type PublishText } from './words.ts';

/** A plugin, for people. */
export type ListedPlugin = {
  readonly name: string;
  readonly path: string;
  readonly version: string | null;
  readonly isShipped: boolean;
  /** `broken`: it was never loaded; `crashed`: it will be started again when it is needed; `off`: it will not. */
  readonly state: 'running' | 'crashed' | 'off' | 'broken';
  readonly crashes: number;
  readonly hooks: readonly HookName[];
  /** What else it does. */
  readonly offers: readonly ('health' | 'checkout' | 'commit')[];
};

/** The plugins of this agent, each in a worker thread of its own. */
export type PluginHost = AsyncDisposable & {
  /** Resolves when every plugin has said what it is, or failed to; never rejects. Until then there are no runners. */
  readonly ready: Promise<void>;
  /** All that a person has to see to, as it is now. With one that `isConfiguration` the agent is not to start. */
  problems(): readonly PluginError[];
  /** Those of plugins that are not off, by the name of the plugin. */
  runnersFor(hook: HookName): readonly Runner[];
  /** The names of the plugins that ship, used or not. */
  readonly optional: readonly string[];
  /** Null: nobody has taken it over. */
  checkout(): PluginCheckout | null;
  commit(): PluginCommit | null;
  list(): readonly ListedPlugin[];
  /** What plugins measure, each by itself. */
  healthReaders(): readonly HealthReader[];
  /** What they measure now, in a few seconds at most; what fails is logged and left out. Never rejects. */
  health(): Promise<Statistics>;
  /** Ends all workers, and all programs plugins are running. */
  close(): Promise<void>;
};

/**
 * Finds the plugins, and starts each in its worker to be told what it is.
 *
 * @param options - `shipped`: the folder of the plugins that ship, which are used when there is a section for them;
 * `sections`: `[plugin NAME]` of agent.conf; `secrets`: by the name of a launch parameter; `environment`: the agent's own;
 * `owner`: on whose behalf, the same after a restart: what an earlier run left is found by it; `publish`: where plugins'
 * logs go; `onProblems`: told whenever `problems()` has changed
 * @see plugins.md
 */
export function createPluginHost(options: {
  readonly pluginsDir: string;
  readonly shipped?: string;
  readonly sections: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly instance: () => Instance;
  readonly secrets: (name: string) => Secret | null | Promise<Secret | null>;
  readonly metadata?: MetadataService | undefined;
  readonly publish?: PublishText;
  readonly onProblems?: () => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly owner: string;
  readonly temporaryFolder?: string;
  readonly timing?: Partial<HostTiming>;
  readonly log: Log;
}): PluginHost {
  const { sections, instance, temporaryFolder = tmpdir(), publish = () => {}, onProblems = () => {} } = options;
  const log = options.log.child({ part: 'plugins' });
  const timing = { ...defaultTiming, ...options.timing };
  const given = new Set(secretOptions(sections));
  const clean = (text: string) => cleanerOf([...given])(text);
  const reaper = createReaper({ log, graceMs: timing.programGraceMs, hurriedGraceMs: timing.closeGraceMs });
  const environment = environmentOf(options.environment);
  const folderPrefix = `cartridge-plugin-${createHash('sha256').update(options.owner).digest('hex').slice(0, 12)}-`;
  const programs = { environment, temporaryFolder, folderPrefix, reaper };
  const services = { ...options, programs, onSecret: (text: string) => void given.add(text) };

  const discovery = findUsedPlugins(options.pluginsDir, { sections, shippedIn: options.shipped });
  const problems: PluginError[] = [...discovery.problems];
  const reports = new Map<string, PluginReportError>();
  let plugins: readonly LoadedPlugin[] = [];
  let closing = false;
  const readers = createReaders(healthReaders, { log, limitMs: timing.healthMs });
  logDiscovery(discovery, log);
  const interrupted = endInterrupted({ parent: temporaryFolder, prefix: folderPrefix, reaper, log });
  const ready = start();

  return {
    ready,
    problems: () => [...problems, ...reports.values()],
    runnersFor,
    optional: discovery.shippedNames,
    checkout,
    commit,
    list,
    healthReaders,
    health,
    close,
    [Symbol.asyncDispose]: close,
  };

  async function start(): Promise<void> {
    if (discovery.found.length === 0) return;
    await interrupted;
    if (closing) return;
    const loading = discovery.found.map((found) => {
      const itsLog = log.child({ plugin: found.name });
      const onReport = (problem: string | null) => takeReport(found.name, problem, itsLog);
      return loadPlugin(found, {
        section: sections.get(found.name) ?? new Map(),
        hasMetadata: options.metadata !== undefined,
        environment,
        answer: createAnswers(services, found.folder),
        onWord: createWords({ publish, onReport, clean, log: itsLog }),
        clean,
        timing,
        onProblem,
        log: itsLog,
      });
    });
    plugins = loading;
    await Promise.all(loading.map(({ settled }) => settled));
    for (const part of ['checkout', 'commit'] as const) {
      const claimants = plugins.filter(({ description }) => description()?.[part]).map(({ found }) => found.name);
      if (claimants.length > 1) onProblem(new PluginConflictError(`taking over ${part}`, claimants));
    }
  }

  function onProblem(problem: PluginError): void {
    if (closing) return;
    problems.push(problem);
    log.error({ event: 'plugin.problem', ...failure(problem) }, 'plugin needs a look');
    onProblems();
  }

  function takeReport(plugin: string, problem: string | null, itsLog: Log): void {
    if (closing) return;
    const report = problem === null ? null : new PluginReportError(plugin, problem);
    if (report === null) reports.delete(plugin);
    else reports.set(plugin, report);
    if (report === null) itsLog.info({ event: 'plugin.recovered' }, 'plugin has nothing to report any more');
    else itsLog.warn({ event: 'plugin.reported', ...failure(report) }, 'plugin reports a problem');
    onProblems();
  }

  function runnersFor(hook: HookName): Runner[] {
    return plugins.flatMap(({ found: { name }, life, description }) => {
      const facts = description()?.hooks.find((one) => one.hook === hook);
      const lived = life();
      if (facts === undefined || lived === null || lived.off() !== null) return [];
      return [pluginRunner(facts, { name, life: lived, instance, clean })];
    });
  }

  function checkout(): PluginCheckout | null {
    const worker = whoTakesOver('checkout');
    return worker && pluginCheckout(worker);
  }

  function commit(): PluginCommit | null {
    const worker = whoTakesOver('commit');
    return worker && pluginCommit(worker);
  }

  /** One that is off still has it: git would put something else in its place. */
  function whoTakesOver(part: 'checkout' | 'commit') {
    const plugin = plugins.find(({ description }) => description()?.[part]);
    const life = plugin?.life();
    return plugin === undefined || !life ? null : { name: plugin.found.name, life, instance };
  }

  function list(): ListedPlugin[] {
    return plugins.map(({ found, life, description }) => {
      const said = description();
      return {
        name: found.name,
        path: found.path,
        isShipped: found.isShipped,
        version: said?.version ?? null,
        state: life()?.state() ?? 'broken',
        crashes: life()?.crashes() ?? 0,
        hooks: said?.hooks.map(({ hook }) => hook) ?? [],
        offers: (['health', 'checkout', 'commit'] as const).filter((part) => said?.[part] === true),
      };
    });
  }

  function healthReaders(): HealthReader[] {
    return plugins.flatMap(({ found: { name }, life: lifeOf, description }) => {
      const life = lifeOf();
      if (life === null || life.off() !== null || description()?.health !== true) return [];
      return [pluginHealth({ name, life, instance })];
    });
  }

  async function health(): Promise<Statistics> {
    const answers = await Promise.all(readers());
    return Object.assign({}, ...answers);
  }

  async function close(): Promise<void> {
    closing = true;
    const reason = 'the agent stops';
    await Promise.all(plugins.map(({ close: closeOne }) => closeOne(reason)));
    await Promise.race([Promise.all([ready, interrupted]), setTimeout(timing.closeGraceMs, undefined, { ref: false })]);
    await reaper.hurry();
  }
}

/** A worker sees what a script sees: the agent's own environment may have secrets in it. */
function environmentOf(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = ['PATH', 'LANG', 'HOME'].map((name) => [name, own[name]] as const);
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** What is written into agent.conf for a plugin, and looks like a secret by its name. */
function secretOptions(sections: ReadonlyMap<string, ReadonlyMap<string, string>>): string[] {
  return [...sections.values()].flatMap((section) =>
    [...section].filter(([key]) => /passw|secret|token|key|credential/i.test(key)).map(([, value]) => value),
  );
}
