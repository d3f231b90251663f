import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { hooks } from '../plugins/contract.ts';
import type { Entry } from '../state/config/ini.ts';
import type { Values } from '../state/config/keys.ts';
import type { ConfigWarning } from '../state/config/problems.ts';

/** Where things are below the home of an original agent, by the key that says so; `state` is ours. */
const places = {
  'param.file.path': 'payload/launch-params',
  'extensions.dir': 'extensions/bash',
  'plugins.dir': 'plugins',
  'state.dir': 'state',
} as const;

/**
 * What a home says without a word. It counts as lines of agent.conf before all others.
 *
 * @param written - the lines of the original agent.conf, which may say whom to trust; null for one of ours, which has to
 * @see protocol.md 6.3
 */
export function homeEntries(home: string, written: readonly Entry[] | null): Entry[] {
  const file = resolve(home);
  const saysWhomToTrust = written?.some(({ key }) => key === 'thrift.tls.ca' || key === 'thrift.tls.verify') ?? true;
  const entries = [
    ...Object.entries(places).map(([key, place]) => [key, join(file, place)] as const),
    // The originals talked to whoever answered, and their platforms have certificates nobody knows.
    ...(saysWhomToTrust ? [] : [['thrift.tls.verify', 'false'] as const]),
  ];
  return entries.map(([key, value]) => ({ key, value, file, line: 1, indented: false }));
}

/** Of the folder of an original agent, what is not used as it was there. */
export function adviseHome(home: string): ConfigWarning[] {
  const folder = resolve(home);
  const scripts = Object.values(hooks).flatMap(({ script }) => (script === null ? [] : [`${script}.sh`]));
  return [
    ...told(namesIn(join(folder, 'plugins'), isPlugin), {
      file: join(folder, 'plugins'),
      wrong: 'plugins of the originals are not run',
      write: 'see whether an executable hook, or a plugin of ours, is to take their place: plugins/README.md',
    }),
    ...told(namesIn(join(folder, 'extensions/py'), isPlugin), {
      file: join(folder, 'extensions/py'),
      wrong: 'the executor of the originals is not used: the scripts in extensions/bash are run by this agent',
      write: 'nothing to do, unless it was changed',
    }),
    ...told(namesIn(join(folder, 'extensions'), isScript), {
      file: join(folder, 'extensions'),
      wrong: 'scripts beside extensions/bash are not run; the Python agent did not run them either',
      write: `put what is wanted into extensions/bash, under the name of its event: ${scripts.slice(2, 5).join(', ')}`,
    }),
    ...told(
      ['logging.ini'].filter((name) => existsSync(join(folder, name))),
      {
        file: folder,
        wrong: 'how the originals log is not used; this agent logs to stdout',
        write: 'set log.level and log.format in agent.conf, if the defaults are not what is wanted',
      },
    ),
  ];
}

/** Of the same folder, what is not used once its agent.conf is not run from there any more. */
export function adviseLeaving(home: string): ConfigWarning[] {
  const folder = resolve(home);
  return told(
    ['terminator.txt'].filter((name) => existsSync(join(folder, name))),
    {
      file: folder,
      wrong: 'what ended the originals when it said "true" is not looked at, unless the agent is started with --home',
      write: `end this agent with systemctl stop or SIGTERM; or start it with run --home ${folder}`,
    },
  );
}

/** With their configuration as it stands this agent, too, talks to whoever answers. */
export function adviseTrust(values: Values, home: string): ConfigWarning[] {
  const isWanted = values['enable.data.publisher'] || values['thrift.receiver.urls'] !== null;
  if (!isWanted || values['thrift.tls.verify']) return [];
  const wrong = 'not set: certificates are not checked, as by the originals; anybody may pose as the CEP';
  const write = `write it into ${join(resolve(home), 'conf.d')}/trust.conf, below [agent]`;
  return [{ file: resolve(home), line: null, key: 'thrift.tls.ca', wrong, nearest: null, write }];
}

function told(names: readonly string[], what: { file: string; wrong: string; write: string }): ConfigWarning[] {
  if (names.length === 0) return [];
  return [{ ...what, wrong: `${what.wrong}: ${names.join(', ')}`, line: null, key: null, nearest: null }];
}

function isPlugin(name: string): boolean {
  return name.endsWith('.yapsy-plugin');
}

function isScript(name: string): boolean {
  return name.endsWith('.sh');
}

/** None if the folder is not there, or cannot be read: who uses it says so. */
function namesIn(folder: string, isWanted: (name: string) => boolean): string[] {
  try {
    return readdirSync(folder).filter(isWanted).sort();
  } catch {
    return [];
  }
}
