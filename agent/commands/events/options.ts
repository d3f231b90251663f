import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { brokers } from '../../../state/config/addresses.ts';
import { integer, type Kind, quoted } from '../../../state/config/kinds.ts';
import { nearestOf } from '../../../state/config/nearest.ts';
import { duration } from '../../../state/config/quantities.ts';
import { AgentError, reasonOf } from '../../../state/errors.ts';
import { Secret } from '../../../state/secret.ts';
import type { BrokerOptions } from '../../broker/client.ts';
import { type Filter, knownEvents } from './entry.ts';

/** What `events` was asked for. */
export type EventsOptions = {
  readonly broker: Pick<BrokerOptions, 'servers' | 'username' | 'password' | 'tls'>;
  /** For people: no user, no password. */
  readonly address: string;
  readonly filter: Filter;
  readonly json: boolean;
  /** Lines after which to end; null: never. */
  readonly count: number | null;
  /** How long to follow the broker; null: for ever. */
  readonly timeoutMs: number | null;
  readonly connectTimeoutMs: number;
  /** Things a person should know, though we go on. */
  readonly hints: readonly string[];
};

export const eventsUsage = `usage: cartridge-agent events --broker URL [option]...

Follows the broker and prints every event, one line each, until it is stopped.

  --broker URL               mqtt://host[:1883], mqtts://host[:8883] for TLS, tcp://host, or host[:1883]
  --username NAME            the user; mqtt://NAME@host does too
  --password-file FILE       a file that holds nothing but the password; else the environment variable
                             CARTRIDGE_AGENT_PASSWORD is used (a password in the URL is shown in the process list)
  --ca FILE                  the certificates to trust, in PEM format; implies TLS for a broker without a scheme
  --event NAME               only this event, or Presence; may be repeated
  --member TEXT              only what names a member whose id contains this; may be repeated. Complete topologies
                             count if the member is in them; what is about a whole cluster names no member
  --json                     one JSON object per line
  --count N                  end after N lines
  --timeout TIME             end after this time (10s, 5m): exit 4 if --count lines have not come by then
  --connect-timeout TIME     how long to try to reach the broker, default 10s: exit 69 if it cannot be reached
`;

/** The command line asks for something there is not. */
export class EventsUsageError extends AgentError {
  override readonly name = 'EventsUsageError';
  readonly code = 'EVENTS_USAGE';
  readonly remedy = 'See cartridge-agent events --help.';
}

const words = {
  broker: { type: 'string' },
  username: { type: 'string' },
  'password-file': { type: 'string' },
  ca: { type: 'string' },
  event: { type: 'string', multiple: true, default: [] as string[] },
  member: { type: 'string', multiple: true, default: [] as string[] },
  json: { type: 'boolean', default: false },
  count: { type: 'string' },
  timeout: { type: 'string' },
  'connect-timeout': { type: 'string', default: '10s' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * @returns null if help is asked for
 * @throws {@link EventsUsageError}, and what parseArgs throws
 */
export function parseEventsOptions(args: readonly string[], env: Readonly<NodeJS.ProcessEnv>): EventsOptions | null {
  const { values } = parseArgs({ args: [...args], options: words });
  if (values.help) return null;
  if (values.broker === undefined) throw new EventsUsageError('cannot follow a broker without --broker URL');

  const url = parseBrokerUrl(values.broker, values.ca !== undefined);
  const username = values.username ?? url.username;
  if (values.ca !== undefined) readText('--ca', values.ca);
  return {
    broker: {
      servers: [{ host: url.host, port: url.port }],
      username,
      password: passwordFrom({ file: values['password-file'], username, fromUrl: url.password, env }),
      tls: url.encrypted ? { ca: values.ca ?? null, cert: null, key: null, servername: null } : null,
    },
    address: `${url.encrypted ? 'mqtts' : 'mqtt'}://${url.host.includes(':') ? `[${url.host}]` : url.host}:${url.port}`,
    filter: { events: new Set(values.event.map(eventNamed)), members: values.member.map(partOfId) },
    json: values.json,
    count: values.count === undefined ? null : read('--count', values.count, integer(1, Number.MAX_SAFE_INTEGER)),
    timeoutMs: values.timeout === undefined ? null : read('--timeout', values.timeout, duration('s')),
    connectTimeoutMs: read('--connect-timeout', values['connect-timeout'], duration('s')),
    hints: url.password === null ? [] : ['the password in the URL is shown in the process list: use --password-file'],
  };
}

const brokerUrl = { ...brokers, form: 'mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS' };

/** No message quotes what stands before the `@`. */
function parseBrokerUrl(text: string, wantsTls: boolean) {
  const [, scheme, userInfo, place = ''] = /^(?:([\w+.-]+):\/\/)?(?:(.*)@)?([^@]*)$/s.exec(text.trim()) ?? [];
  const bare = place.replace(/\/$/, '');
  const encrypted = scheme === undefined ? wantsTls : /^(mqtts|ssl|tls)$/i.test(scheme);
  if (wantsTls && !encrypted) throw new EventsUsageError(`cannot use --ca with ${scheme}://, which has no TLS`);
  const hasPort = /^(\[[^\]]*\]|[^:]*):[^:]*$/.test(bare);
  const port = hasPort ? '' : `:${encrypted ? 8883 : 1883}`;
  const [server, ...others] = read('--broker', `${scheme ?? 'mqtt'}://${bare}${port}`, brokerUrl);
  if (server === undefined || others.length > 0) throw new EventsUsageError('cannot follow more than one broker');
  const [, user = '', password] = /^([^:]*)(?::(.*))?$/s.exec(userInfo ?? '') ?? [];
  return {
    host: server.host,
    port: server.port,
    encrypted,
    username: user === '' ? null : decoded(user),
    password: password === undefined ? null : new Secret(decoded(password)),
  };
}

function passwordFrom(from: {
  file: string | undefined;
  username: string | null;
  fromUrl: Secret | null;
  env: Readonly<NodeJS.ProcessEnv>;
}): Secret | null {
  const { file, username, fromUrl } = from;
  if (username === null) {
    // The variable may be set for other uses; what is given on the command line is meant for this one.
    if (file === undefined && fromUrl === null) return null;
    throw new EventsUsageError('cannot log in with a password alone: MQTT wants a --username too');
  }
  if (file !== undefined) return new Secret(readText('--password-file', file).replace(/\r?\n$/, ''));
  const variable = from.env['CARTRIDGE_AGENT_PASSWORD'];
  return variable === undefined || variable === '' ? fromUrl : new Secret(variable);
}

function eventNamed(text: string): string {
  const name = knownEvents.find((known) => known.toLowerCase() === text.toLowerCase());
  if (name !== undefined) return name;
  const nearest = nearestOf(text, knownEvents) ?? nearestOf(`${text}Event`, knownEvents);
  const meant = nearest === null ? '' : `: did you mean ${nearest}?`;
  throw new EventsUsageError(`cannot filter by --event ${quoted(text)}, there is no such event${meant}`);
}

/** As it is printed, so that it can be copied. */
function partOfId(text: string): string {
  const part = text.replace(/^…/, '').trim().toLowerCase();
  if (part === '') throw new EventsUsageError('cannot filter by an empty --member');
  return part;
}

function read<T>(option: string, text: string, kind: Kind<T>): T {
  const reading = kind.read(text);
  if ('value' in reading) return reading.value;
  throw new EventsUsageError(`cannot use ${option}: ${reading.wrong}; write ${kind.form}`);
}

function readText(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new EventsUsageError(`cannot read ${option}: ${reasonOf(cause)}`, { cause });
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A lone percent sign: people type passwords into URLs as they are.
    return part;
  }
}
