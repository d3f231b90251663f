import { type ConfText, type Entry, parseConf } from './ini.ts';
import { createInterpolation, type Interpolate } from './interpolation.ts';
import { type KeyName, keyNameOf } from './keys.ts';
import { nearestOf } from './nearest.ts';
import { splitSections } from './original-sections.ts';
import type { ConfigWarning, Problem } from './problems.ts';
import { unknownKey } from './settings.ts';

/** An agent.conf of the original agents, its values as those read them. */
export interface OriginalConf extends ConfText {
  /** Lines that are not used, and why. These and the warnings hold no values. */
  readonly leftOut: readonly ConfigWarning[];
  /** What was read otherwise than it would be in an agent.conf of ours. */
  readonly warnings: readonly ConfigWarning[];
}

/** The originals compute them from their home, and overwrite whatever is written. */
const computed: readonly (KeyName | null)[] = ['param.file.path', 'plugins.dir', 'extensions.dir'];

const commented = {
  wrong: 'what follows the first " ;" is a comment, as the originals have it; here it would be part of the value',
  write: 'put the comment on a line of its own',
};
const doubled = {
  wrong: '%% is read as %, as the originals have it; here it would be two',
  write: 'nothing to do',
};
const lone = {
  wrong: 'the originals fail at the % in it; it is taken as it is',
  write: 'write %% for %, as long as they read this file',
};
const followed = {
  wrong: 'the value of another key is put in the place of %(name)s, as the originals do; here it would stay as it is',
  write: 'nothing to do',
};
const reference = {
  wrong: 'it refers to another key, as %(name)s; that is not there, refers back to it, or has a lone % in it',
  write: 'write the value itself',
};
const otherSection = {
  wrong: 'the section is left out, as the originals do, which read [agent] and [DEFAULT]',
  write: 'nothing to do, unless [agent] is meant',
};
const overwritten = {
  wrong: 'left out, as the originals do, which compute it from the folder they are in',
  write: 'delete the line; or see that it is meant, and give a file of ours with --conf',
};

/**
 * Reads an agent.conf as the Python agent does (its parser is the SafeConfigParser of Python 2): with comments behind ` ;`,
 * `%%` for `%`, `%(key)s` for the value of a key, `""` and any `null` for "not set"; `[DEFAULT]` counts as earlier lines of
 * `[agent]`. Other sections, and keys nobody knows, are left out, for the originals leave them to plugins.
 *
 * @param file - only to name the place of a problem
 * @see protocol.md 6.3
 */
export function parseOriginalConf(text: string, file: string): OriginalConf {
  const { own, defaults, others } = splitSections(withoutRem(text));
  const parsed = [defaults, own].map((lines) => parseConf(lines, file));
  const agent = parsed.flatMap((lines) => lines.agent);
  const written = agent.map(({ key, value }) => [key.toLowerCase(), unquoted(withoutComment(value))] as const);
  const interpolate = createInterpolation(new Map([['__name__', 'agent'], ...written]));
  const read = agent.map((entry) => readEntry(entry, interpolate));
  return {
    agent: read.flatMap(({ entry }) => entry ?? []),
    plugins: parsed[1]?.plugins ?? new Map(),
    problems: [...parsed.flatMap(({ problems }) => problems), ...read.flatMap(({ problem }) => problem ?? [])],
    leftOut: [
      ...others.map((section) => leftOutSection(section, file)),
      ...read.flatMap(({ leftOut }) => leftOut ?? []),
    ],
    warnings: read.flatMap(({ warnings = [] }) => warnings),
  };
}

type ReadEntry = {
  readonly entry?: Entry;
  readonly problem?: Problem;
  readonly leftOut?: ConfigWarning;
  readonly warnings?: readonly ConfigWarning[];
};

function readEntry(entry: Entry, interpolate: Interpolate): ReadEntry {
  const name = keyNameOf(entry.key);
  // Indented, it continues the line above for the originals: settings.ts says so.
  if (name === null && entry.indented) return { entry };
  if (name === null) return { leftOut: unused(entry) };
  if (computed.includes(name)) return { leftOut: about(entry, overwritten) };

  const value = withoutComment(entry.value);
  const warnings = value === entry.value ? [] : [about(entry, commented)];
  const rest = value.replaceAll('%%', '');
  const refers = /%\([^)]*\)s/.test(rest);
  const meant = interpolate(unquoted(value));
  if (meant === null && refers) return { problem: about(entry, reference), warnings };
  if (meant === null) return { entry: { ...entry, value }, warnings: [...warnings, about(entry, lone)] };
  if (refers) warnings.push(about(entry, followed));
  else if (rest !== value) warnings.push(about(entry, doubled));
  return { entry: { ...entry, value: /^null$/i.test(meant) ? '' : meant }, warnings };
}

/** Comments of a kind that only the originals know. The lines stay, so that their numbers do. */
function withoutRem(text: string): string {
  return text.replace(/^rem(?=\s|$).*$/gim, '');
}

/** Only the first semicolon counts, and only behind a blank: so it is written in Python 2. */
function withoutComment(value: string): string {
  const semicolon = value.indexOf(';');
  return semicolon > 0 && /\s/.test(value.charAt(semicolon - 1)) ? value.slice(0, semicolon).trim() : value;
}

function unquoted(value: string): string {
  return value === '""' ? '' : value;
}

function leftOutSection({ name, line }: { name: string; line: number }, file: string): ConfigWarning {
  // What does not look like a name may be anything, even a password.
  const key = /^[\w. -]{1,60}$/.test(name) ? `[${name}]` : null;
  return { file, line, key, nearest: nearestOf(name, ['agent']) && '[agent]', ...otherSection };
}

function unused(entry: Entry): ConfigWarning {
  const { nearest, ...found } = unknownKey(entry);
  const write = nearest === null ? 'nothing to do, unless it is misspelt' : `write ${nearest} = ..., if that is meant`;
  return { ...found, nearest, wrong: 'unknown key; left out, as the originals do', write };
}

function about({ key, file, line }: Entry, what: { wrong: string; write: string }): Problem {
  return { file, line, key, nearest: null, ...what };
}
