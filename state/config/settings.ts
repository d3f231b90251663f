import type { Entry } from './ini.ts';
import type { Key } from './key.ts';
import { type KeyName, keyNameOf, keyNames, keys, type Values } from './keys.ts';
import type { Reading } from './kinds.ts';
import { isSet } from './launch-params.ts';
import { nearestOf } from './nearest.ts';
import { isPlaceholder } from './placeholders.ts';
import type { ConfigWarning, Problem } from './problems.ts';

/** The texts that the files hold, before anybody has asked what they mean. */
export interface Inputs {
  /** The lines of `[agent]`: those of agent.conf, then those of conf.d; the last line of a key counts. */
  readonly entries: readonly Entry[];
  readonly params: ReadonlyMap<string, string>;
  /** Where `params` were read, to name the place of a problem. */
  readonly paramsFile: string;
}

/** Where the value of a key comes from; file and line are null when nobody wrote it, the line in launch-params too. */
export interface Source {
  readonly from: 'agent.conf' | 'launch-params' | 'default';
  readonly file: string | null;
  readonly line: number | null;
}

/** What the files mean, key by key. With problems, the values of the keys they name are the defaults. */
export interface Settings {
  readonly values: Values;
  readonly sources: ReadonlyMap<KeyName, Source>;
  readonly problems: readonly Problem[];
  readonly warnings: readonly ConfigWarning[];
}

interface Setting {
  readonly value: unknown;
  readonly source: Source;
  readonly problems?: readonly Problem[];
  readonly warnings?: readonly ConfigWarning[];
}

const notWritten: Source = { from: 'default', file: null, line: null };

/**
 * Reads each key from agent.conf, else from launch-params, else takes its default. What is wrong in agent.conf is a
 * problem; launch-params are the platform's, so what is wrong there is a warning, and counts as not set.
 *
 * @see protocol.md 6.4
 */
export function readSettings(inputs: Inputs): Settings {
  const written = new Map(inputs.entries.map((entry) => [keyNameOf(entry.key), entry]));
  const settings = keyNames.map((name) => [name, readSetting(name, written.get(name), inputs)] as const);

  return {
    // Object.fromEntries forgets which key has which type; each value was read by the kind of its own key.
    values: Object.fromEntries(settings.map(([name, { value }]) => [name, value])) as unknown as Values,
    sources: new Map(settings.map(([name, { source }]) => [name, source])),
    problems: [...unknownKeys(inputs.entries), ...settings.flatMap(([, { problems = [] }]) => problems)],
    warnings: [...repeatedKeys(inputs.entries), ...settings.flatMap(([, { warnings = [] }]) => warnings)],
  };
}

function readSetting(name: KeyName, entry: Entry | undefined, { params, paramsFile }: Inputs): Setting {
  if (entry === undefined || !isSet(entry.value)) return readParam(name, params.get(name), paramsFile);
  if (!isPlaceholder(entry.value)) return readEntry(name, entry);
  const setting = readParam(name, params.get(name), paramsFile);
  return { ...setting, warnings: [placeholderLeft(name, entry), ...(setting.warnings ?? [])] };
}

function readEntry(name: KeyName, { value, file, line }: Entry): Setting {
  const source: Source = { from: 'agent.conf', file, line };
  const reading = keyOf(name).kind.read(value);
  if (!('wrong' in reading)) return { value: reading.value, source, warnings: noted(name, source, reading) };
  const hint = /\s[#;]/.test(value) ? ', and comments on lines of their own' : '';
  const write = `write ${keyOf(name).kind.form}${hint}`;
  return {
    value: defaultOf(name),
    source,
    problems: [{ file, line, key: name, wrong: reading.wrong, nearest: null, write }],
  };
}

function readParam(name: KeyName, value: string | undefined, file: string): Setting {
  if (value === undefined) return { value: defaultOf(name), source: notWritten };
  const source: Source = { from: 'launch-params', file, line: null };
  const reading = keyOf(name).kind.read(value);
  if (!('wrong' in reading)) return { value: reading.value, source, warnings: noted(name, source, reading) };
  const usable = reading.rest !== undefined;
  const wrong = `${reading.wrong}; ${usable ? 'that part is skipped' : 'taken as not set'}`;
  const write = `have the platform write ${keyOf(name).kind.form}, or set ${name} in agent.conf`;
  return {
    value: usable ? reading.rest : defaultOf(name),
    source: usable ? source : notWritten,
    warnings: [{ file, line: null, key: name, wrong, nearest: null, write }],
  };
}

function defaultOf(name: KeyName): unknown {
  const { kind, fallback } = keyOf(name);
  const reading = fallback === null ? { value: null } : kind.read(fallback);
  return 'wrong' in reading ? null : reading.value;
}

function keyOf(name: KeyName): Key<unknown> {
  return keys[name];
}

function noted(name: KeyName, { file, line }: Source, reading: Reading<unknown>): ConfigWarning[] {
  if (!('note' in reading) || reading.note === undefined) return [];
  const write = `write ${keyOf(name).kind.form}`;
  return [{ file: file ?? '', line, key: name, wrong: reading.note, nearest: null, write }];
}

function placeholderLeft(name: KeyName, { value, file, line }: Entry): ConfigWarning {
  const wrong = `${value} is a placeholder that nobody replaced; taken as not set`;
  return { file, line, key: name, wrong, nearest: null, write: 'write a value, or delete the line' };
}

function unknownKeys(entries: readonly Entry[]): Problem[] {
  return entries.filter(({ key }) => keyNameOf(key) === null).map(unknownKey);
}

/** The problem with a key that is not among ours. Its name is left out unless it looks like one. */
export function unknownKey({ key, file, line, indented }: Entry): Problem {
  const nearest = nearestOf(key, keyNames);
  // What does not look like a key may be the rest of a value, even of a password.
  const shown = /^[a-z][\w. -]{0,60}$/i.test(key) && !indented ? key : null;
  const wrong = indented ? 'unknown key (an indented line does not continue the one above)' : 'unknown key';
  const write = nearest === null ? 'delete the line' : `write ${nearest} = ..., or delete the line`;
  return { file, line, key: shown, wrong, nearest, write };
}

function repeatedKeys(entries: readonly Entry[]): ConfigWarning[] {
  const seen = new Map<string, Entry>();
  return entries.flatMap((entry) => {
    const id = `${entry.file}\n${entry.key.toLowerCase()}`;
    const earlier = seen.get(id);
    seen.set(id, entry);
    if (earlier === undefined || keyNameOf(entry.key) === null) return [];
    const wrong = `set in line ${earlier.line} and again in line ${entry.line}, which counts`;
    const write = `delete line ${earlier.line} or line ${entry.line}`;
    return [{ file: entry.file, line: entry.line, key: entry.key, wrong, nearest: null, write }];
  });
}
