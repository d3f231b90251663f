import { AgentError } from '../../state/errors.ts';
import { Secret } from '../../state/secret.ts';
import type { BrokerAccess } from './platform.ts';

/** `--broker` does not name a broker. */
export class BrokerUrlError extends AgentError {
  override readonly name = 'BrokerUrlError';
  readonly code = 'BROKER_URL_INVALID';
  readonly remedy = 'Write mqtt://host:port, or mqtt://user:password@host:port; mqtts:// for TLS.';
}

const defaultPorts: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 };

/**
 * Reads `mqtt://[user:password@]host[:port]`; special characters of user and password are percent-encoded.
 *
 * @throws {@link BrokerUrlError}, without the text: it may hold a password
 */
export function parseBrokerUrl(text: string): BrokerAccess & { readonly encrypted: boolean } {
  const url = URL.canParse(text) ? new URL(text) : null;
  const defaultPort = defaultPorts[url?.protocol ?? ''];
  if (url === null || defaultPort === undefined || url.hostname === '') {
    throw new BrokerUrlError('cannot read the URL of the broker');
  }
  const encrypted = url.protocol === 'mqtts:';
  return {
    server: { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port) || defaultPort },
    username: url.username === '' ? null : decodeURIComponent(url.username),
    password: url.password === '' ? null : new Secret(decodeURIComponent(url.password)),
    tls: encrypted ? { ca: null, cert: null, key: null, servername: null } : null,
    encrypted,
  };
}
