import { AgentError, reasonOf } from '../../state/errors.ts';
import { codeOf, isTls, isTooWeak, textOf, tlsReasonOf } from '../broker/failures.ts';

/** One that takes events over Thrift: a CEP node, or the monitoring server. */
export type Receiver = { readonly host: string; readonly port: number };

/** Nobody answers there, or not in time, or not as the data bridge does. */
export class ReceiverNotReachedError extends AgentError {
  override readonly name = 'ReceiverNotReachedError';
  readonly code = 'THRIFT_NOT_REACHED';
  readonly remedy =
    'See that the server runs, that the address is that of its secure data-bridge port, and what firewalls do; the agent tries on.';
}

/** We do not trust it, or speak no common language. There is no way around it. */
export class ReceiverTlsError extends AgentError {
  override readonly name = 'ReceiverTlsError';
  readonly code = 'THRIFT_TLS_REFUSED';
  override readonly lasting = true;
  readonly remedy: string;

  constructor(receiver: Receiver, cause: Error) {
    const facts = { ...receiver, reason: codeOf(cause) };
    super(`cannot talk to ${addressOf(receiver)} over TLS: ${tlsReasonOf(cause)}`, { cause, facts });
    this.remedy = tlsRemedy(codeOf(cause), cause);
  }
}

/** The file of `thrift.tls.ca` cannot be used. */
export class ReceiverTlsFileError extends AgentError {
  override readonly name = 'ReceiverTlsFileError';
  readonly code = 'THRIFT_TLS_FILE';
  override readonly lasting = true;
  readonly remedy = 'Check that the file of thrift.tls.ca exists, is in PEM format, and that the agent may read it.';
}

/** It answers, but not to this user. */
export class ReceiverLoginError extends AgentError {
  override readonly name = 'ReceiverLoginError';
  readonly code = 'THRIFT_LOGIN_REFUSED';
  override readonly lasting = true;
  readonly remedy =
    'Check the admin user name and password of this server in agent.conf; new ones are read when the agent starts.';
}

/** It has another definition of our stream, or cannot read ours. */
export class StreamRefusedError extends AgentError {
  override readonly name = 'StreamRefusedError';
  readonly code = 'THRIFT_STREAM_REFUSED';
  override readonly lasting = true;
  readonly remedy = 'Remove the other definition of this stream from the server: it must be that of the platform.';
}

/** It answers with a failure of its own. */
export class ReceiverFailedError extends AgentError {
  override readonly name = 'ReceiverFailedError';
  readonly code = 'THRIFT_RECEIVER_FAILED';
  readonly remedy = 'See the log of the server, and that its port is the secure one; the agent tries on.';
}

/** Not a failure: a session ends when the server likes, and the next one is opened at once. @see protocol.md section 9.1 */
export class SessionExpired extends Error {
  override readonly name = 'SessionExpired';
}

/** What the socket complains of. */
export function notReached(receiver: Receiver, cause: Error): AgentError {
  if (cause instanceof AgentError) return cause;
  if (isTls(codeOf(cause))) return new ReceiverTlsError(receiver, cause);
  const facts = { ...receiver, reason: codeOf(cause) || reasonOf(cause) };
  return new ReceiverNotReachedError(`cannot reach ${addressOf(receiver)}: ${textOf(cause)}`, { cause, facts });
}

export function addressOf({ host, port }: Receiver): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function tlsRemedy(code: string, cause: Error): string {
  if (isTooWeak(cause))
    return 'Renew the certificate of the server, with a key of 2048 bits and SHA-256; one of 1024 bits is taken where thrift.tls.ca names it.';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return 'Renew the certificate of the server; if it is valid, set the clock of this machine.';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'Write the name that is in the certificate of the server into thrift.tls.servername.';
  if (/^(EPROTO|ERR_SSL_)/.test(code))
    return 'Check that this port of the server is the secure one, and speaks TLS 1.2 or later.';
  return 'Name the certificate of the server, or of the authority that signed it, in thrift.tls.ca.';
}
