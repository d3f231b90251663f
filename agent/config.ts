import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { adviseTogether, checkTogether } from '../state/config/checks.ts';
import { composeConfig } from '../state/config/compose.ts';
import type { Config } from '../state/config/config.ts';
import { type ConfText, type Entry, parseConf } from '../state/config/ini.ts';
import type { KeyName } from '../state/config/keys.ts';
import { parseLaunchParams } from '../state/config/launch-params.ts';
import { parseOriginalConf } from '../state/config/originals.ts';
import { ConfigError, type ConfigWarning, type Problem } from '../state/config/problems.ts';
import { readSettings, type Source } from '../state/config/settings.ts';
import { codeOf, readText, reasonFor } from './config-text.ts';
import { adviseHome, adviseTrust, homeEntries } from './home.ts';
import { adviseCertificates, readNamedFiles } from './named-files.ts';

/** A configuration that can be used, and how it came about. */
export interface LoadedConfig {
  readonly config: Config;
  /** What a person should look at, though the agent goes on. */
  readonly warnings: readonly ConfigWarning[];
  readonly sources: {
    /** agent.conf and the files of conf.d, in the order in which they were read. */
    readonly confFiles: readonly string[];
    readonly launchParams: string;
    readonly keys: ReadonlyMap<KeyName, Source>;
  };
}

type Conf = ConfText & { readonly files: readonly string[]; readonly warnings: readonly ConfigWarning[] };

const credentials = ['mb.username', 'mb.password'] as const;

/** What to do about a file that cannot be had. */
const wanted = {
  conf: 'give the path of agent.conf with --conf FILE, or write one; conf/agent.conf has every key',
  further: 'see that the agent can read it, or delete it',
  folder: 'make it a folder that the agent can read, or delete it',
  params: 'the platform writes it: see that it is copied there, or set param.file.path in agent.conf',
} as const;

/**
 * Reads agent.conf, conf.d beside it, and the launch-params they name.
 *
 * @param options - `confFile`: the path of agent.conf; relative paths in it start in its folder. `home`: a folder of the
 * originals, where all else is; its own agent.conf is read as they do. `environment`: may name the folder of systemd's
 * credentials
 * @throws ConfigError with everything that is wrong in these files, at once
 * @see protocol.md 6
 */
export function loadConfig({
  confFile,
  home = null,
  environment = {},
}: {
  confFile: string;
  home?: string | null;
  environment?: NodeJS.ProcessEnv;
}): LoadedConfig {
  const mainFile = resolve(confFile);
  const resolvePath = (path: string) => resolve(dirname(mainFile), path);

  const conf = readConf(mainFile, home);
  const entries = [...credentialEntries(environment), ...conf.agent];
  const paramsFile = resolvePath(paramFilePathIn(conf));
  const launch = readParams(paramsFile);
  const settings = readSettings({ entries, params: launch.params, paramsFile });
  const named = readNamedFiles(settings, resolvePath);

  const places = { confFile: mainFile, paramsFile };
  // Without launch-params their absence is the problem, not that of each key.
  const complete = launch.problems.length === 0;
  const together = checkTogether(settings, places).filter(({ file }) => complete || file !== paramsFile);
  const problems = [...conf.problems, ...settings.problems, ...together, ...named.problems, ...launch.problems];
  if (problems.length > 0) {
    throw new ConfigError(inOrderOfLines(problems, conf.files), { warnings: [...conf.warnings, ...settings.warnings] });
  }

  return {
    config: composeConfig(settings.values, {
      entries,
      params: launch.params,
      plugins: conf.plugins,
      usernameFromFile: named.username,
      passwordFromFile: named.password,
      resolvePath,
    }),
    warnings: [
      ...conf.warnings,
      ...settings.warnings,
      ...adviseTogether(settings, places),
      ...adviseCertificates(settings, resolvePath),
      ...adviseEnvironment(environment, mainFile),
      ...(home === null ? [] : [...adviseTrust(settings.values, home), ...adviseHome(home)]),
    ],
    sources: { confFiles: conf.files, launchParams: paramsFile, keys: settings.sources },
  };
}

/**
 * The folder in which the agent of this configuration keeps its state, whatever else may be wrong in these files.
 *
 * @throws ConfigError if agent.conf cannot be read
 */
export function readStateDir({ confFile, home = null }: { confFile: string; home?: string | null }): string {
  const mainFile = resolve(confFile);
  const resolvePath = (path: string) => resolve(dirname(mainFile), path);
  const conf = readConf(mainFile, home);
  const paramsFile = resolvePath(paramFilePathIn(conf));
  const { params } = readParams(paramsFile);
  return resolvePath(readSettings({ entries: conf.agent, params, paramsFile }).values['state.dir']);
}

/** All of agent.conf and conf.d as one text. Without agent.conf there is nothing more to say. */
function readConf(mainFile: string, home: string | null): Conf {
  const main = readText(mainFile);
  if ('reason' in main) throw new ConfigError([unreadable(mainFile, main.reason, wanted.conf)]);
  const folder = join(dirname(mainFile), 'conf.d');
  const { files, problems } = confFilesIn(folder);
  const isOriginal = home !== null && mainFile === resolve(home, 'agent.conf');
  const original = isOriginal ? parseOriginalConf(main.text, mainFile) : null;
  const texts = [original ?? parseConf(main.text, mainFile), ...files.map(readFurther)];
  const written = texts.flatMap(({ agent }) => agent);
  return {
    agent: [...(home === null ? [] : homeEntries(home, isOriginal ? written : null)), ...written],
    plugins: joined(texts.map(({ plugins }) => plugins)),
    problems: [...problems, ...texts.flatMap((text) => text.problems)],
    warnings: original === null ? [] : [...original.leftOut, ...original.warnings],
    files: [mainFile, ...files],
  };
}

function confFilesIn(folder: string): { files: string[]; problems: Problem[] } {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.conf') && !name.startsWith('.'));
    return { files: names.sort().map((name) => join(folder, name)), problems: [] };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { files: [], problems: [] };
    return { files: [], problems: [unreadable(folder, reasonFor(error), wanted.folder)] };
  }
}

function readFurther(file: string): ConfText {
  const read = readText(file);
  if ('text' in read) return parseConf(read.text, file);
  return { agent: [], plugins: new Map(), problems: [unreadable(file, read.reason, wanted.further)] };
}

function joined(plugins: readonly ConfText['plugins'][]): ConfText['plugins'] {
  const all = new Map<string, readonly Entry[]>();
  for (const [name, entries] of plugins.flatMap((some) => [...some])) {
    all.set(name, [...(all.get(name) ?? []), ...entries]);
  }
  return all;
}

/** What systemd hands over counts as a line of agent.conf; a line that is written there names another file, and wins. */
function credentialEntries({ CREDENTIALS_DIRECTORY: folder = '' }: NodeJS.ProcessEnv): Entry[] {
  return credentials
    .map((name) => ({ name, path: join(folder, name) }))
    .filter(({ path }) => folder !== '' && existsSync(path))
    .map(({ name, path }) => ({ key: `${name}.file`, value: path, file: folder, line: 1, indented: false }));
}

/** Whoever set it believes that it works. */
function adviseEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: checks }: NodeJS.ProcessEnv, file: string): ConfigWarning[] {
  if (checks !== '0') return [];
  const wrong =
    'NODE_TLS_REJECT_UNAUTHORIZED=0 is in the environment; the certificates of brokers are checked all the same';
  return [{ file, line: null, key: null, wrong, nearest: null, write: 'delete the variable, and set mb.tls.ca' }];
}

/** Where launch-params are can only be said in agent.conf, so this is asked before there are any. */
function paramFilePathIn({ agent }: Conf): string {
  return readSettings({ entries: agent, params: new Map(), paramsFile: '' }).values['param.file.path'];
}

function readParams(file: string): { params: Map<string, string>; problems: Problem[] } {
  const read = readText(file, 'any');
  if ('text' in read) return { params: parseLaunchParams(read.text), problems: [] };
  return { params: new Map(), problems: [unreadable(file, read.reason, wanted.params)] };
}

function unreadable(file: string, reason: string, write: string): Problem {
  return { file, line: null, key: null, wrong: `the file ${reason}`, nearest: null, write };
}

/** By file, then by line, as a person goes through them; what has no line comes last. */
function inOrderOfLines(problems: readonly Problem[], files: readonly string[]): Problem[] {
  const place = ({ file }: Problem) => (files.includes(file) ? files.indexOf(file) : files.length);
  const line = (problem: Problem) => problem.line ?? Number.MAX_SAFE_INTEGER;
  return problems.toSorted((one, other) => place(one) - place(other) || line(one) - line(other));
}
