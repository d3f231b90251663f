import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Imported, importConf, type Remark, remarkKinds } from '../../../state/config/import.ts';
import { parseLaunchParams } from '../../../state/config/launch-params.ts';
import { parseOriginalConf } from '../../../state/config/originals.ts';
import { ConfigError, formatProblem, type Problem } from '../../../state/config/problems.ts';
import { readText } from '../../config-text.ts';
import { adviseHome, adviseLeaving } from '../../home.ts';
import { checkHooks } from '../../hooks/check.ts';
import { type Command, exitCodes } from '../command.ts';
import { printable } from '../events/harmless.ts';
import { ConfigUsageError } from './failures.ts';
import { writeOutFile } from './out-file.ts';

const words = {
  conf: { type: 'string' },
  payload: { type: 'string' },
  home: { type: 'string' },
  out: { type: 'string' },
  force: { type: 'boolean', default: false },
} as const;

/**
 * `config import --conf OLD/agent.conf [--payload OLD/launch-params] [--out FILE] [--force]`: an agent.conf of ours out of
 * one of the originals. The file is data; what is told about it goes to stderr, without values.
 */
export const importOriginal: Command = async (args, { stdout, stderr }) => {
  const { values } = parseArgs({ args: [...args], options: words });
  const { conf: confFile, payload, home } = placesIn(values);
  const { out, force } = values;
  if (force && out === undefined) throw new ConfigUsageError('cannot use --force without --out');
  if (out !== undefined && [confFile, payload].some((file) => file !== null && isSame(file, out)))
    throw new ConfigUsageError('cannot use --out, it is one of the files that are read');

  const extensions = join(home, 'extensions/bash');
  const imported = importConf({
    conf: parseOriginalConf(readOrThrow(confFile), confFile),
    confFile,
    payload: payload === null ? null : { file: payload, params: parseLaunchParams(readOrThrow(payload, 'any')) },
    extensionsDir: existsSync(extensions) ? extensions : null,
  });
  if (imported.problems.length > 0) throw new ConfigError(imported.problems);
  if (out !== undefined) writeOutFile(out, imported.text, { isPrivate: imported.holdsSecrets, force });
  else stdout.write(imported.text);
  const folder = [...adviseHome(home), ...adviseLeaving(home), ...(await scriptProblems(extensions))];
  stderr.write(report(imported, { confFile, out: out ?? null, folder }));
  return exitCodes.done;
};

/** All absolute. The home is the folder that agent.conf is in, for the originals have it nowhere else. */
function placesIn({ conf, payload, home }: { conf?: string; payload?: string; home?: string }) {
  if (conf === undefined && home === undefined) throw new ConfigUsageError('cannot import nothing: write --conf FILE');
  if (conf !== undefined && home !== undefined) throw new ConfigUsageError('cannot use --conf and --home together');
  const confFile = resolve(conf ?? join(home ?? '', 'agent.conf'));
  const usual = join(dirname(confFile), 'payload/launch-params');
  const found = existsSync(usual) ? usual : null;
  return { conf: confFile, payload: payload === undefined ? found : resolve(payload), home: dirname(confFile) };
}

function readOrThrow(file: string, encoding: 'utf8' | 'any' = 'utf8'): string {
  const read = readText(file, encoding);
  if ('text' in read) return read.text;
  const write = 'name a file of the original agent that can be read';
  throw new ConfigError([{ file, line: null, key: null, wrong: `the file ${read.reason}`, nearest: null, write }]);
}

function isSame(one: string, other: string): boolean {
  const real = (path: string) => (existsSync(path) ? realpathSync(path) : resolve(path));
  return real(one) === real(other);
}

/** Scripts the originals would have run, and this agent refuses. */
async function scriptProblems(file: string): Promise<Problem[]> {
  const found = await checkHooks({ extensionsDir: file });
  return found.map(({ message, remedy }) => {
    return { file, line: null, key: null, wrong: message, nearest: null, write: remedy };
  });
}

const titles: Readonly<Record<Remark['about'], string>> = {
  missing: 'The agent does not start without',
  changed: 'Has another meaning here',
  'left out': 'Left out',
  default: 'Not set, with another meaning than for the originals',
  read: 'Needs a look',
};

function report(
  { remarks, keysTaken, holdsSecrets }: Imported,
  { confFile, out, folder }: { confFile: string; out: string | null; folder: readonly Problem[] },
): string {
  const where = out === null ? 'on stdout' : `in ${out}`;
  const secrets = holdsSecrets ? ' Passwords are in it.' : '';
  const head = `${keysTaken} keys of ${confFile} are taken over, ${where}.${secrets}`;
  const chapter = (title: string, problems: readonly Problem[]) =>
    problems.length === 0 ? [] : [`${title}:\n${problems.map(formatProblem).join('\n')}`];
  const chapters = remarkKinds.flatMap((kind) => {
    const own = remarks.filter(({ about }) => about === kind);
    return chapter(titles[kind], own);
  });
  const lines = [head, ...chapters, ...chapter('In the folder', folder)].join('\n\n').split('\n');
  return `${lines.map((line) => printable(line)).join('\n')}\n`;
}
