import { type Kind, kind, parts, quoted } from './kinds.ts';

/** Where a service listens. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** A broker as written: `encrypted` is null when no scheme says so. */
export interface Broker extends Server {
  readonly encrypted: boolean | null;
}

const schemes: Readonly<Record<string, boolean>> = { tcp: false, mqtt: false, ssl: true, tls: true, mqtts: true };

export const host = kind('a host name or an address', 'a host name or an address', parseHost);

export const port = kind('a number from 1 to 65535', 'a port', parsePort);

/** `80|443`. @see protocol.md 6.2, `PORTS` */
export const ports: Kind<readonly number[]> = {
  form: 'numbers from 1 to 65535, separated by |',
  secret: false,
  read: (text) => {
    const found = parts(text, '|')
      .filter((part) => part !== 'null')
      .map((part) => ({ part, port: parsePort(part) }));
    const value = [...new Set(found.flatMap(({ port }) => port ?? []))];
    const bad = found.filter(({ port }) => port === null).map(({ part }) => quoted(part));
    return bad.length === 0 ? { value } : { wrong: `${bad.join(', ')} in it is not a port`, rest: value };
  },
};

/** `host:port,host:port`; a scheme as in `mqtts://host:port` is understood. */
export const brokers = listOf(
  'host:port, several of them separated by commas, IPv6 addresses in brackets',
  parseBroker,
);

export const servers: Kind<readonly Server[]> = listOf(brokers.form, (text) => {
  const server = parseBroker(text);
  return server === null ? null : { host: server.host, port: server.port };
});

export const httpUrl = kind('a URL that starts with https:// or http://', 'an http or https URL', (text) =>
  /^https?:\/\//i.test(text) && URL.canParse(text) ? text : null,
);

function listOf<T>(form: string, parse: (text: string) => T | null): Kind<readonly T[]> {
  return {
    form,
    secret: false,
    read: (text) => {
      // Not quoted: a comma in a password would leave half of it in the part that is wrong.
      if (text.includes('@')) return { wrong: 'a user and a password do not belong into it' };
      const found = parts(text, ',').map((part) => ({ part, value: parse(part) }));
      const bad = found.find(({ value }) => value === null);
      if (bad !== undefined) return { wrong: `${quoted(bad.part)} is not host:port` };
      return found.length === 0 ? { wrong: 'the list is empty' } : { value: found.flatMap(({ value }) => value ?? []) };
    },
  };
}

function parseBroker(text: string): Broker | null {
  const [, scheme, name = '', digits = ''] = /^(?:(\w+):\/\/)?(.*):(\d+)\/?$/.exec(text) ?? [];
  const bracketed = name.startsWith('[') || !name.includes(':');
  const [parsedHost, parsedPort] = [parseHost(name), parsePort(digits)];
  if (!bracketed || parsedHost === null || parsedPort === null) return null;
  if (scheme === undefined) return { host: parsedHost, port: parsedPort, encrypted: null };
  const encrypted = Object.hasOwn(schemes, scheme.toLowerCase()) ? schemes[scheme.toLowerCase()] : undefined;
  return encrypted === undefined ? null : { host: parsedHost, port: parsedPort, encrypted };
}

/** Also takes the brackets off an IPv6 address, since only URLs want them. */
function parseHost(text: string): string | null {
  if (/^[\w-]+(\.[\w-]+)*\.?$/.test(text)) return text;
  const address = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const [unscoped = ''] = address.split('%');
  return address.includes(':') && URL.canParse(`http://[${unscoped}]/`) ? address : null;
}

function parsePort(text: string): number | null {
  const number = Number(text);
  return /^\d{1,5}$/.test(text) && number >= 1 && number <= 65_535 ? number : null;
}
