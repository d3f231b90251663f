// What comes over the wire may hold passwords and codes that move a terminal's cursor. Neither is printed.

/** Properties the platform itself sets; those of applications (`payload_parameter.*`) may be passwords. */
const harmlessProperties = new Set(['MIN_COUNT', 'SCALING_DECISION_ID', 'EC2_REGION', 'EC2_AVAILABILITY_ZONE']);

const redacted = '[redacted]';

/**
 * One line that shows what it says: control characters, line breaks and what turns the direction of writing are
 * replaced, and what is longer than `limit` characters is cut.
 */
export function printable(text: string, limit = 1_000): string {
  const short = text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
  return short.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
}

/** A text that may hold URLs, without the users and passwords in them. */
export function withoutUserInfo(text: string): string {
  // Word by word, and by position: a regular expression over a megabyte of `://` would take minutes.
  return text.replace(/\S+/g, (word) => {
    const [scheme, at] = [word.indexOf('://'), word.lastIndexOf('@')];
    return scheme >= 0 && at > scheme ? `${word.slice(0, scheme + 3)}${word.slice(at + 1)}` : word;
  });
}

/** Where a repository is: no user, no query. Whatever stands before the last `@` may be part of a password. */
export function repositoryUrl(url: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,20}:\/\//i.exec(url)?.[0] ?? '';
  const place = url.slice(scheme.length);
  return `${scheme}${place.slice(place.lastIndexOf('@') + 1).replace(/[?#].*$/s, '')}`;
}

/** A value as JSON in one line, without secrets; a `Secret` redacts itself. */
export function toHarmlessJson(value: unknown): string {
  // JSON leaves DEL, the C1 codes and the invisible ones as they are; a terminal obeys some of them.
  return JSON.stringify(value, harmlessValue).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

function harmlessValue(key: string, value: unknown): unknown {
  // A token may be the user as well as the password.
  if (key === 'repoUserName' && typeof value === 'string') return redacted;
  if (key === 'repoURL' && typeof value === 'string') return repositoryUrl(value);
  if (key === 'properties' && typeof value === 'object' && value !== null) return harmlessEntries(value);
  return typeof value === 'string' ? withoutUserInfo(value) : value;
}

function harmlessEntries(properties: object): object {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name, harmlessProperties.has(name) ? value : redacted]),
  );
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    return `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
  }).join('');
}
