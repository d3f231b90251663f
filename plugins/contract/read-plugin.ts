import { nearestOf } from '../../state/config/nearest.ts';
import { reasonOf } from '../../state/errors.ts';
import { type HookName, hooks, isHookName } from './hooks.ts';
import { contractVersion, type HookDetails, type Plugin } from './plugin.ts';

/** Something in a plugin that its author should correct. Plain data: whoever knows the file adds it. */
export interface PluginProblem {
  /** Where in the plugin: `hooks.artifactUpdatd`; null: the plugin as a whole. */
  readonly key: string | null;
  readonly wrong: string;
  /** The known word that an unknown one resembles most. */
  readonly nearest: string | null;
  /** What to do instead: `write contract: 1`. */
  readonly write: string;
}

/** What a file exported: a plugin that fulfils the contract, or all that is wrong with it. */
export type ReadPlugin =
  | { readonly plugin: Plugin; readonly problems: readonly [] }
  | { readonly plugin: null; readonly problems: readonly PluginProblem[] };

/**
 * Checks what a file exported as default before any of its functions is called: names, contract number, hooks, limits.
 * Never throws. What its options are, only its own schema can say.
 */
export function readPlugin(value: unknown): ReadPlugin {
  const problems = problemsOf(value);
  return problems.length === 0 ? { plugin: value as Plugin, problems: [] } : { plugin: null, problems };
}

const keys: { readonly [Key in keyof Required<Plugin>]: (value: unknown) => PluginProblem[] } = {
  name: (name) =>
    matches(name, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/) && name.length <= longestName
      ? []
      : [problem('name', name === undefined ? 'missing' : 'not a name', 'write lower case with dashes: php-server')],
  contract: contractProblems,
  version: (version) => unless(isAbsent(version) || isText(version), 'version', 'not text', "write text: '1.0.0'"),
  options: (options) => unless(isAbsent(options) || isSchema(options), 'options', 'not a schema', 'write a zod schema'),
  hooks: hooksProblems,
  health: (health) => unless(isAbsent(health) || isFunction(health), 'health', 'not a function', 'write a function'),
  checkout: checkoutProblems,
  commit: (commit) => unless(isAbsent(commit) || isFunction(commit), 'commit', 'not a function', 'write a function'),
};

const details: { readonly [Key in keyof Required<HookDetails<HookName>>]: (value: unknown) => string | null } = {
  run: (run) => (isFunction(run) ? null : 'write the function of the hook'),
  timeoutMs: (ms) => (isAbsent(ms) || isNumber(ms, 1, longestMs) ? null : 'write milliseconds from 1 to 86400000'),
  retries: (times) => (isAbsent(times) || isCount(times, mostRetries) ? null : 'write a whole number from 0 to 100'),
  before: (names) => (isAbsent(names) || isNames(names) ? null : "write a list of names: ['php-server']"),
  after: (names) => (isAbsent(names) || isNames(names) ? null : "write a list of names: ['php-server']"),
  mode: (mode) => (isAbsent(mode) || mode === 'enforce' || mode === 'audit' ? null : "write 'enforce' or 'audit'"),
};

const longestName = 60;
/** A day: whoever needs longer extends. */
const longestMs = 86_400_000;
const mostRetries = 100;

/** Whatever was exported, it may be hostile to being looked at. */
function problemsOf(value: unknown): PluginProblem[] {
  const define = 'write export default definePlugin({ ... })';
  if (value === undefined) return [problem(null, 'nothing is exported as default', define)];
  try {
    if (!isRecord(value)) return [problem(null, 'what is exported as default is no plugin', define)];
    return [
      ...Object.entries(keys).flatMap(([key, check]) => check(value[key])),
      ...unknownKeys(value, keys, { prefix: '', wrong: 'a plugin has no such member' }),
    ];
  } catch (thrown) {
    return [problem(null, `cannot be looked at: ${reasonOf(thrown)}`, define)];
  }
}

function contractProblems(contract: unknown): PluginProblem[] {
  if (contract === contractVersion) return [];
  const write = `write contract: ${contractVersion}`;
  if (contract === undefined) return [problem('contract', 'missing', write)];
  if (!isCount(contract)) return [problem('contract', 'not the number of a contract', write)];
  const wrong = `this agent knows contract ${contractVersion}, the plugin is written for ${contract}`;
  return [problem('contract', wrong, `${write} once it keeps to that, or install an agent that knows ${contract}`)];
}

function hooksProblems(value: unknown): PluginProblem[] {
  if (isAbsent(value)) return [];
  if (!isRecord(value)) return [problem('hooks', 'not an object', 'write one function for each hook')];
  const unknown = unknownKeys(value, hooks, { prefix: 'hooks.', wrong: 'there is no such hook' });
  const known = Object.entries(value).filter(([name, hook]) => isHookName(name) && !isAbsent(hook));
  return [...known.flatMap(([name, hook]) => hookProblems(`hooks.${name}`, hook)), ...unknown];
}

function hookProblems(key: string, hook: unknown): PluginProblem[] {
  if (isFunction(hook)) return [];
  if (!isRecord(hook)) return [problem(key, 'not a function', 'write a function, or { run, timeoutMs, ... }')];
  const wrong = Object.entries(details).flatMap(([detail, check]) => {
    const write = check(hook[detail]);
    const missing = detail === 'run' && hook[detail] === undefined;
    return write === null ? [] : [problem(`${key}.${detail}`, missing ? 'missing' : 'not usable', write)];
  });
  return [...wrong, ...unknownKeys(hook, details, { prefix: `${key}.`, wrong: 'a hook has no such member' })];
}

function checkoutProblems(checkout: unknown): PluginProblem[] {
  if (isAbsent(checkout)) return [];
  if (!isRecord(checkout)) return [problem('checkout', 'not an object', 'write { fetch, place }')];
  return ['fetch', 'place'].flatMap((step) =>
    unless(isFunction(checkout[step]), `checkout.${step}`, 'not a function', 'write a function'),
  );
}

function unknownKeys(
  value: object,
  known: object,
  { prefix, wrong }: { prefix: string; wrong: string },
): PluginProblem[] {
  const words = Object.keys(known);
  const strangers = Object.keys(value).filter((key) => !Object.hasOwn(known, key));
  return strangers.map((key) => {
    const nearest = nearestOf(key, words);
    const write = nearest === null ? `write one of ${words.join(', ')}` : `write ${nearest}, or remove it`;
    return { key: `${prefix}${key}`, wrong, nearest, write };
  });
}

function problem(key: string | null, wrong: string, write: string): PluginProblem {
  return { key, wrong, nearest: null, write };
}

function unless(isRight: boolean, key: string, wrong: string, write: string): PluginProblem[] {
  return isRight ? [] : [problem(key, wrong, write)];
}

function isAbsent(value: unknown): value is undefined {
  return value === undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

function matches(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value);
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Schemas of any copy of zod are recognised by what is used of them. */
function isSchema(value: unknown): boolean {
  return isRecord(value) && isFunction(value['safeParse']);
}

function isNumber(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function isCount(value: unknown, most: number = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isInteger(value) && isNumber(value, 0, most);
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}
