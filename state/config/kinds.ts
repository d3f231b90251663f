import { Secret } from '../secret.ts';

/** What a text means; or what is wrong with it, and what remains of it when the wrong parts are left out. */
export type Reading<T> =
  | { readonly value: T; readonly note?: string }
  | { readonly wrong: string; readonly rest?: NoInfer<T> };

/** A kind of value that a key of the configuration may have. */
export interface Kind<T> {
  /** How a value is written, for people, to go after "write": `true or false`. */
  readonly form: string;
  /** Must be shown to nobody. */
  readonly secret: boolean;
  readonly read: (text: string) => Reading<T>;
}

/** Makes a kind out of a function that returns null for a text that is `not` one. */
export function kind<T>(form: string, not: string, read: (text: string) => T | null): Kind<T> {
  return {
    form,
    secret: false,
    read: (text) => {
      const value = read(text);
      return value === null ? { wrong: `${quoted(text)} is not ${not}` } : { value };
    },
  };
}

export const text = kind('a text', 'a text', (value) => value);

export const secret: Kind<Secret> = {
  form: 'a text',
  secret: true,
  read: (value) => ({ value: new Secret(value) }),
};

/** AES takes keys of 16, 24 and 32 bytes. @see protocol.md 8.6 */
export const cartridgeKey: Kind<Secret> = {
  form: 'the 16 letters and digits that the platform made',
  secret: true,
  read: (value) =>
    [16, 24, 32].includes(new TextEncoder().encode(value).length)
      ? { value: new Secret(value) }
      : { wrong: 'a key has 16, 24 or 32 bytes' },
};

export const flag = kind('true or false', 'true or false', (value) => {
  const word = value.toLowerCase();
  return word === 'true' ? true : word === 'false' ? false : null;
});

export const absolutePath = kind('an absolute path', 'an absolute path', (value) =>
  value.startsWith('/') ? value : null,
);

/** Relative ones are resolved against the folder of agent.conf, later. */
export const path = kind('a path', 'a path', (value) => value);

/** Below APPLICATION_PATH; gets the slashes at both ends that may be missing. @see protocol.md 8.2 */
export const subPath = kind('a path below APPLICATION_PATH', 'a path below APPLICATION_PATH', (value) => {
  const steps = value.split('/').filter((step) => step !== '');
  return steps.includes('..') ? null : ['', ...steps, ''].join('/');
});

/** `a|b|c`, as launch-params has lists. */
export const barList = kind('a list separated by |', 'a list', (value): readonly string[] => parts(value, '|'));

/** Refused: what git refuses, and what git would take for an option. */
export const branch = kind('the name of a branch', 'the name of a branch', (value) =>
  /^[-/.]|[\s~^:?*[\\]|\.\.|@\{|\/\/|[/.]$|\.lock$/.test(value) ? null : value,
);

export function choice<const T extends string>(words: readonly T[]): Kind<T> {
  const form = listed(words, 'or');
  return kind(form, form, (value) => words.find((word) => word === value.toLowerCase()) ?? null);
}

/** `a,b,c`, each of them one of `words`. */
export function choices<const T extends string>(words: readonly T[]): Kind<readonly T[]> {
  const form = `one or more of ${listed(words, 'and')}, separated by commas`;
  return kind(form, form, (value) => {
    const wanted = parts(value.toLowerCase(), ',');
    const chosen = words.filter((word) => wanted.includes(word));
    return chosen.length === wanted.length && wanted.length > 0
      ? wanted.flatMap((word) => words.find((known) => known === word) ?? [])
      : null;
  });
}

export function integer(least: number, most: number): Kind<number> {
  const form = most === Number.MAX_SAFE_INTEGER ? 'a whole number' : `a whole number from ${least} to ${most}`;
  return kind(form, form, (value) => {
    const number = Number(value);
    return /^[+-]?\d+$/.test(value) && number >= least && number <= most ? number : null;
  });
}

/** `none` besides what the kind allows. */
export function orNone<T>({ form, secret, read }: Kind<T>): Kind<T | null> {
  return {
    form: `${form}; or none`,
    secret,
    read: (value) => (value.toLowerCase() === 'none' ? { value: null } : read(value)),
  };
}

/** The items of a list without blanks, empty ones and repetitions. */
export function parts(value: string, separator: string): string[] {
  return [...new Set(value.split(separator).map((part) => part.trim()))].filter((part) => part !== '');
}

/** For messages: short, in one line, and without the user and password a URL may hold. */
export function quoted(value: string): string {
  const harmless = value.replace(/\S*@/g, '[redacted]@');
  return JSON.stringify(harmless.length > 80 ? `${harmless.slice(0, 77)}...` : harmless);
}

function listed(words: readonly string[], last: 'and' | 'or'): string {
  return `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;
}
