import { readFileSync } from 'node:fs';
import { connect as connectTcp, isIP, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AgentError, reasonOf } from '../../state/errors.ts';
import { trustIn } from '../authorities.ts';

/** One broker of the list. */
export type Server = { readonly host: string; readonly port: number };

/** Paths of PEM files, read anew for each connection; `ca: null` means what this system and Node trust. */
export type TlsFiles = {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly servername: string | null;
};

/** A certificate or key that cannot be read when a connection is to be made. */
export class TlsFileError extends AgentError {
  override readonly name = 'TlsFileError';
  readonly code = 'BROKER_TLS_FILE';
  readonly remedy =
    'Check that the files of mb.tls.ca, mb.tls.cert and mb.tls.key exist and that the agent may read them.';
}

/** Our own connection per server: a TLS name belongs to one server, and the library would keep the first one's. */
export function openStream(server: Server, tls: TlsFiles | null) {
  if (tls === null) return connectTcp({ host: server.host, port: server.port, noDelay: true });
  try {
    return connectTls({
      host: server.host,
      port: server.port,
      // An address is no name: SNI refuses it, and the certificate is checked against the address anyway.
      servername: tls.servername ?? (isIP(server.host) === 0 ? server.host : ''),
      // Said aloud: NODE_TLS_REJECT_UNAUTHORIZED and the flags of Node change only what is not said.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...trustIn(tls.ca),
      ...(tls.cert === null ? {} : { cert: readFileSync(tls.cert) }),
      ...(tls.key === null ? {} : { key: readFileSync(tls.key) }),
    });
  } catch (cause) {
    return new Socket().destroy(new TlsFileError(`cannot use the TLS files: ${reasonOf(cause)}`, { cause }));
  }
}
