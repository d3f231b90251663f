import { adviseTogether, checkTogether } from './checks.ts';
import { changedMeaning, type Difference, otherDefault, placeholderMeant } from './import-remarks.ts';
import type { Entry } from './ini.ts';
import { chapters, type KeyName, keyNameOf, keyNames, keys } from './keys.ts';
import { isSet } from './launch-params.ts';
import type { OriginalConf } from './originals.ts';
import { isPlaceholder } from './placeholders.ts';
import type { Problem } from './problems.ts';
import { readSettings, type Settings } from './settings.ts';

/** What is imported. Paths are absolute. */
export type Original = {
  readonly conf: OriginalConf;
  readonly confFile: string;
  /** Null: there is none, and the image is imported without an instance. */
  readonly payload: { readonly file: string; readonly params: ReadonlyMap<string, string> } | null;
  /** The folder of the scripts, if there is one. */
  readonly extensionsDir: string | null;
};

/** Something to be told about a key of the originals. Holds no secrets. */
export type Remark = Problem & { readonly about: (typeof remarkKinds)[number] };

/** In the order of their weight. */
export const remarkKinds = ['missing', 'changed', 'left out', 'default', 'read'] as const;

export type Imported = {
  /** An agent.conf of ours. */
  readonly text: string;
  readonly holdsSecrets: boolean;
  readonly keysTaken: number;
  /** In the order of the lines. */
  readonly remarks: readonly Remark[];
  /** What cannot be imported: then the text is not to be used. */
  readonly problems: readonly Problem[];
};

/** Makes an agent.conf of ours that means the same, as far as it can, and tells what does not. */
export function importConf(original: Original): Imported {
  const { conf, confFile, payload } = original;
  const params = payload?.params ?? new Map<string, string>();
  // Without a payload nothing of what it lacks is told.
  const places = { confFile, paramsFile: payload?.file ?? '' };
  const settings = readSettings({ entries: conf.agent, params, paramsFile: places.paramsFile });
  const lines = linesOf(original);
  const sections = [...conf.plugins].map(([name, entries]) => `\n[plugin ${name}]\n${entries.map(written).join('')}`);
  return {
    text: `${head(confFile)}${chaptersOf(lines)}${sections.join('')}`,
    holdsSecrets: [...lines.keys()].some((name) => keys[name].kind.secret) || sections.length > 0,
    keysTaken: [...lines.values()].filter(({ line }) => line > 0).length,
    problems: [...conf.problems, ...settings.problems],
    remarks: [
      ...remarked('missing', [...checkTogether(settings, places), ...(payload === null ? [noPayload(confFile)] : [])]),
      ...differences(settings, original),
      ...remarked('left out', [...conf.leftOut, ...settings.warnings.filter((one) => isPlaceholderLeft(one, conf))]),
      ...remarked('read', [
        ...conf.warnings,
        ...settings.warnings.filter((one) => !isPlaceholderLeft(one, conf)),
        ...adviseTogether(settings, places).filter(({ key }) => key !== null),
      ]),
    ]
      .filter(({ file }) => file !== '')
      .sort((one, other) => (one.line ?? 0) - (other.line ?? 0)),
  };
}

/** By key: what is written into the new file, in the order of ours; `line` 0: nobody wrote it. */
function linesOf({ conf, payload, extensionsDir }: Original): ReadonlyMap<KeyName, Entry> {
  const own = (key: KeyName, value: string | null) =>
    value === null ? [] : [[key, { key, value, file: '', line: 0, indented: false }] as const];
  const theirs = conf.agent.flatMap((entry) => {
    const name = keyNameOf(entry.key);
    return name === null ? [] : [[name, { ...entry, key: name }] as const];
  });
  const last = new Map<KeyName, Entry>([
    ...own('param.file.path', payload?.file ?? null),
    ...own('extensions.dir', extensionsDir),
    ...theirs,
  ]);
  return new Map([...last].filter(([name, entry]) => counts(entry) && keys[name].effect !== 'ignored'));
}

function counts({ value }: Entry): boolean {
  return isSet(value) && !isPlaceholder(value);
}

function head(confFile: string): string {
  const from = confFile.replace(/\p{Cc}/gu, '?');
  return `# Written by cartridge-agent config import from ${from}. conf/agent.conf has every key, with its meaning.\n\n[agent]\n`;
}

function chaptersOf(lines: ReadonlyMap<KeyName, Entry>): string {
  const texts = chapters.flatMap(({ title, keys: names }) => {
    const own = [...lines].filter(([name]) => Object.hasOwn(names, name));
    const inOrder = own.sort(([one], [other]) => keyNames.indexOf(one) - keyNames.indexOf(other));
    return own.length === 0 ? [] : [`## ${title}\n${inOrder.map(([, entry]) => written(entry)).join('')}`];
  });
  return texts.join('\n');
}

function written({ key, value }: Entry): string {
  return `${key} = ${value}\n`;
}

function differences(settings: Settings, { conf, confFile, payload }: Original): Remark[] {
  const entries = new Map(conf.agent.map((entry) => [keyNameOf(entry.key), entry]));
  return keyNames.flatMap((name): Remark[] => {
    const entry = entries.get(name);
    const place = { file: entry?.file ?? confFile, line: entry?.line ?? null };
    const tell = (about: Remark['about'], found: Difference | undefined): Remark[] =>
      found === undefined || found.when?.(settings.values) === false
        ? []
        : [{ about, key: name, nearest: null, ...place, wrong: found.wrong, write: found.write }];
    if (entry !== undefined && counts(entry)) {
      return keys[name].effect === 'ignored' ? tell('left out', ignored(name)) : tell('changed', changedMeaning[name]);
    }
    // Each image leaves most keys to the platform.
    if (payload?.params.has(name)) return [];
    return tell('default', entry !== undefined && isSet(entry.value) ? placeholderMeant[name] : otherDefault[name]);
  });
}

function ignored(name: KeyName): Difference {
  return { wrong: `it has no effect here. ${keys[name].doc}`, write: 'nothing to do' };
}

function noPayload(file: string): Problem {
  const wrong = 'there is no launch-params beside it';
  const write =
    'name it with --payload FILE; or write param.file.path into the new file, once the platform has made it';
  return { file, line: null, key: 'param.file.path', wrong, nearest: null, write };
}

function isPlaceholderLeft({ key, line }: Problem, { agent }: OriginalConf): boolean {
  return agent.some((entry) => entry.line === line && keyNameOf(entry.key) === key && isPlaceholder(entry.value));
}

function remarked(about: Remark['about'], problems: readonly Problem[]): Remark[] {
  return problems.map((problem) => ({ about, ...problem }));
}
