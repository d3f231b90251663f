import { isAbsolute } from 'node:path';
import { AgentError } from '../../state/errors.ts';
import { Secret } from '../../state/secret.ts';

/** Where an artifact is cloned from, taken apart so that its secrets go their own way. */
export interface Remote {
  /** What git is given: no password; no user either over http(s), where it travels in a header. */
  readonly url: string;
  /** For messages and logs: no user info, no query. */
  readonly repoUrl: string;
  /** Scheme, host and port of an http(s) URL; null for others, which take no password. */
  readonly origin: string | null;
  readonly user: string | null;
  readonly password: Secret | null;
}

/**
 * Takes a repository URL apart, before git sees any of it.
 *
 * @param protocols - those allowed, by git's names: `https`, `ssh`, `http`, `git`, `file` (which plain paths are too)
 * @throws {@link RepositoryUrlError} for other protocols, and for all that git or ssh might take for an option or command
 * @see protocol.md 8.3
 */
export function parseRepositoryUrl(text: string, protocols: readonly string[]): Remote {
  const url = text.trim();
  if (url === '') throw new RepositoryUrlError('it is empty');
  if (hasControlCharacter(url)) throw new RepositoryUrlError('it has control characters');
  if (url.startsWith('-')) throw new RepositoryUrlError('it looks like an option');
  if (/^[a-z0-9][a-z0-9+.-]*::/i.test(url)) throw new RepositoryUrlError('it names a transport helper');

  const scheme = schemeOf(url);
  if (!protocols.includes(scheme)) throw new RepositoryUrlError(`${scheme} is not allowed`, { scheme, protocols });
  if (scheme === 'file') return plain(url);
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? parseUrl(url) : parseScpLike(url);
}

/** Whether whoever listens between here and the git server could read a password. */
export function travelsInClear({ url, credential }: { url: string; credential: { password: Secret } | null }): boolean {
  return credential !== null && credential.password.reveal() !== '' && /^http:/i.test(url);
}

/** The repository URL of an event is empty, not allowed, or no URL. */
export class RepositoryUrlError extends AgentError {
  override readonly name = 'RepositoryUrlError';
  override readonly lasting = true;
  readonly code = 'ARTIFACT_URL_REFUSED';
  readonly remedy =
    'Correct the repository URL of the sign-up; artifact.protocols lists the protocols this agent may use.';

  /** @param reason - does not quote the URL, which may hold a password */
  constructor(reason: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(`cannot use the repository URL: ${reason}`, { facts: { reason, ...facts } });
  }
}

function schemeOf(url: string): string {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url) ?? [];
  if (scheme !== undefined) return scheme.toLowerCase();
  return /^[^/]*:/.test(url) ? 'ssh' : 'file';
}

function plain(url: string): Remote {
  if (!isAbsolute(url) && !/^file:\/\/\//i.test(url)) throw new RepositoryUrlError('its path is not absolute');
  return { url, repoUrl: url, origin: null, user: null, password: null };
}

function parseUrl(text: string): Remote {
  const url = URL.parse(text);
  if (url === null || url.hostname === '') throw new RepositoryUrlError('it is not a URL');
  const user = decoded(url.username);
  const password = decoded(url.password);
  refuseOptions(decoded(url.hostname), user);

  const isHttp = url.protocol === 'http:' || url.protocol === 'https:';
  url.password = '';
  if (isHttp) url.username = '';
  const shown = new URL(url);
  Object.assign(shown, { username: '', search: '', hash: '' });
  return {
    url: url.href,
    repoUrl: shown.href,
    origin: isHttp ? url.origin : null,
    user: user || null,
    password: password === '' ? null : new Secret(password),
  };
}

/** `user@host:path`, ssh's short form; the user is part of the address, not a secret. */
function parseScpLike(url: string): Remote {
  const [, user = '', host = '', path = ''] = /^(?:([^@:/]*)@)?(\[[^\]]+\]|[^:[/@]+):(.+)$/.exec(url) ?? [];
  if (host === '') throw new RepositoryUrlError('it is not a URL');
  refuseOptions(host, user);
  return { url, repoUrl: `${host}:${path}`, origin: null, user: user || null, password: null };
}

function refuseOptions(host: string, user: string): void {
  if (/^\[?-/.test(host) || user.startsWith('-')) throw new RepositoryUrlError('its host or user looks like an option');
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A lone percent sign: people type passwords into URLs as they are.
    return part;
  }
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < ' ' || character === '\u007f');
}
