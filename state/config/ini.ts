import type { Problem } from './problems.ts';

/** One `key = value` line. The value is everything after the first `=` or `:`, trimmed; nothing in it is special. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** The originals read an indented line as part of the value above it; here it is a line like any other. */
  readonly indented: boolean;
}

/** What one file says, in the order of its lines. */
export interface ConfText {
  readonly agent: readonly Entry[];
  readonly plugins: ReadonlyMap<string, readonly Entry[]>;
  readonly problems: readonly Problem[];
}

type Section = { readonly kind: 'none' | 'agent' | 'unknown' } | { readonly kind: 'plugin'; readonly name: string };

/** Control characters, but not the tab. */
const control = /[^\P{Cc}\t]/u;

// None of these quotes the line: it may be the rest of a password.
const noEntry = {
  wrong: 'not a "key = value" line',
  write: 'write key = value, all of it in one line; a comment starts with #',
};
const controlCharacter = { wrong: 'the line holds a control character', write: 'write the line anew, as plain text' };
const noSection = { wrong: 'the line stands before the first section', write: 'write [agent] on a line above it' };
const unknownSection = {
  wrong: 'unknown section',
  write: 'write [agent], or [plugin NAME] for the options of a plugin',
};

/**
 * Reads the text of agent.conf or of a file in conf.d: sections `[agent]` and `[plugin NAME]`, comments on whole lines.
 * Unlike the originals' parser it neither interpolates `%` nor cuts values at `;`: passwords may hold both.
 *
 * @param file - only to name the place of a problem
 * @see protocol.md 6.3, 13.1 no. 14
 */
export function parseConf(text: string, file: string): ConfText {
  const agent: Entry[] = [];
  const plugins = new Map<string, Entry[]>();
  const problems: Problem[] = [];
  let section: Section = { kind: 'none' };

  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const place = { file, line: index + 1 };
    const found = parseLine(raw, place);
    if (found === null) continue;
    if ('wrong' in found) problems.push(found);
    else if ('kind' in found) {
      if (found.kind === 'unknown') problems.push(problemAt(place, unknownSection));
      section = found;
      // One without a line in it says that the plugin is wanted.
      if (found.kind === 'plugin' && !plugins.has(found.name)) plugins.set(found.name, []);
    } else if (section.kind === 'plugin') {
      plugins.set(section.name, [...(plugins.get(section.name) ?? []), found]);
    } else if (section.kind !== 'unknown') {
      if (section.kind === 'none') problems.push(problemAt(place, noSection));
      section = { kind: 'agent' };
      agent.push(found);
    }
  }
  return { agent, plugins, problems };
}

function parseLine(raw: string, place: { file: string; line: number }): Section | Entry | Problem | null {
  const text = raw.trim();
  if (text === '' || text.startsWith('#') || text.startsWith(';')) return null;
  if (text.startsWith('[')) return parseSection(text);
  if (control.test(text)) return problemAt(place, controlCharacter);
  const delimiter = text.search(/[=:]/);
  if (delimiter < 1) return problemAt(place, noEntry);
  return {
    key: text.slice(0, delimiter).trim(),
    value: text.slice(delimiter + 1).trim(),
    indented: /^\s/.test(raw),
    ...place,
  };
}

function parseSection(text: string): Section {
  if (/^\[\s*agent\s*\]$/i.test(text)) return { kind: 'agent' };
  const name = /^\[\s*plugin\s+(\S+)\s*\]$/i.exec(text)?.[1];
  return name === undefined ? { kind: 'unknown' } : { kind: 'plugin', name };
}

function problemAt(place: { file: string; line: number }, what: { wrong: string; write: string }): Problem {
  return { ...place, key: null, nearest: null, ...what };
}
