import { AgentError, reasonOf } from '../../state/errors.ts';
import { type Server, TlsFileError } from './stream.ts';

/** A topic the broker will not let us hear. */
export class SubscriptionRefusedError extends AgentError {
  override readonly name = 'SubscriptionRefusedError';
  readonly code = 'BROKER_SUBSCRIPTION_REFUSED';
  readonly remedy = 'Allow this user to read the topic in the access list of the broker.';
}

/** A topic the broker will not let us write to; only MQTT 5 says so. */
export class PublishRefusedError extends AgentError {
  override readonly name = 'PublishRefusedError';
  readonly code = 'BROKER_PUBLISH_REFUSED';
  readonly remedy = 'Allow this user to write to the topic in the access list of the broker.';
}

/** Nobody answers there, or not as a broker does. */
export class BrokerNotReachedError extends AgentError {
  override readonly name = 'BrokerNotReachedError';
  readonly code = 'BROKER_NOT_REACHED';
  readonly remedy: string;

  constructor(cause: Error, { host, port }: Server) {
    const reason = textOf(cause);
    const facts = { host, port, reason: codeOf(cause) || reason };
    super(`cannot reach ${host}:${port}: ${reason}`, { cause, facts });
    const language = cause instanceof CutOffError ? languageRemedy(cause) : '';
    this.remedy = `See that the broker runs, and that name, port and firewalls are right${language}; the agent tries on for ever.`;
  }
}

/** Hung up on before the broker has said a word: as one that speaks TLS does to who does not, and the other way round. */
export class CutOffError extends Error {
  override readonly name = 'CutOffError';
  readonly code: string;
  readonly isTls: boolean;

  /** @param options - `isTls`: we spoke TLS */
  constructor(cause: Error, { isTls }: { isTls: boolean }) {
    super(`hung up before it answered: ${textOf(cause)}`, { cause });
    this.code = codeOf(cause) || 'CUT_OFF';
    this.isTls = isTls;
  }
}

function languageRemedy({ isTls }: CutOffError): string {
  return isTls
    ? '; this port may not speak TLS: then write mqtt:// into mb.urls, or mb.tls = false'
    : '; this port may speak TLS: then write mqtts:// into mb.urls, or mb.tls = true';
}

/** The broker answers, but not to this user. */
export class LoginRefusedError extends AgentError {
  override readonly name = 'LoginRefusedError';
  readonly code = 'BROKER_LOGIN_REFUSED';
  readonly remedy =
    'Check user name and password, and that the broker lets this user connect; new ones are read when the agent starts.';
}

/** The broker answers, but takes no connection like ours, or none now. */
export class ConnectionRefusedError extends AgentError {
  override readonly name = 'ConnectionRefusedError';
  readonly code = 'BROKER_CONNECTION_REFUSED';
  readonly remedy = 'See the log of the broker; if it speaks MQTT 3.1.1 only, set mb.protocol.version = 4.';
}

/** One end does not trust the other, or they speak no common language. There is no way around it. */
export class TlsRefusedError extends AgentError {
  override readonly name = 'TlsRefusedError';
  readonly code = 'BROKER_TLS_REFUSED';
  readonly remedy: string;

  constructor(address: string, { cause, facts }: { cause: Error; facts: Readonly<Record<string, unknown>> }) {
    super(`cannot talk to ${address} over TLS: ${tlsReasonOf(cause)}`, { cause, facts });
    this.remedy = tlsRemedy(codeOf(cause), cause);
  }
}

/** The broker ended the connection, and said why; only MQTT 5 does. @see MQTT 5, 3.14.2.1 */
export class HungUpError extends AgentError {
  override readonly name = 'HungUpError';
  readonly code = 'BROKER_HUNG_UP';
  readonly remedy: string;

  constructor(reason: number | undefined) {
    super(`the broker hangs up, reason code ${reason} (${hangUps[reason ?? -1] ?? 'see MQTT 5'})`, {
      facts: { reason },
    });
    this.remedy =
      reason === sessionTakenOver
        ? 'See whether a second agent has the same MEMBER_ID, and stop one of the two.'
        : 'See the log of the broker; the agent connects again by itself.';
  }
}

const sessionTakenOver = 142;
const hangUps: Readonly<Record<number, string>> = {
  129: 'malformed packet',
  130: 'protocol error',
  135: 'not authorized',
  137: 'server busy',
  139: 'server shutting down',
  141: 'keep alive timeout',
  [sessionTakenOver]: 'session taken over',
  147: 'receive maximum exceeded',
  149: 'packet too large',
  150: 'message rate too high',
  151: 'quota exceeded',
  152: 'administrative action',
};

/** The connection looks open, and nothing comes through it. */
export class DeadLinkError extends AgentError {
  override readonly name = 'DeadLinkError';
  readonly code = 'BROKER_LINK_DEAD';
  readonly remedy =
    'Look at the network to the broker, and at its load, if this happens often; the agent connects again.';
}

/**
 * What the library or the socket complains of, as the failure it means to an operator.
 *
 * @param options - `isTls`: we spoke TLS; `isAnswered`: the broker has taken the connection
 * @see MQTT 3.1.1, 3.2.2.3; MQTT 5, 3.2.2.2
 */
export function understood(
  err: Error,
  { host, port }: Server,
  { isTls: spokeTls, isAnswered }: { isTls: boolean; isAnswered: boolean },
): Error {
  if (err instanceof AgentError) return err;
  const address = `${host}:${port}`;
  const code = codeOf(err);
  const facts = { host, port, reason: code };
  if (['4', '5', '134', '135'].includes(code))
    return new LoginRefusedError(`cannot log in at ${address}: ${err.message}`, { cause: err, facts });
  if (/^\d+$/.test(code))
    return new ConnectionRefusedError(`cannot connect to ${address}: ${err.message}`, { cause: err, facts });
  if (isTls(code)) return new TlsRefusedError(address, { cause: err, facts });
  const isCutOff = !isAnswered && (code === 'ECONNRESET' || code === 'EPIPE');
  return isCutOff ? new CutOffError(err, { isTls: spokeTls }) : err;
}

/** Any failure, with a code and a remedy. */
export function told(err: Error, server: Server): AgentError {
  return err instanceof AgentError ? err : new BrokerNotReachedError(err, server);
}

/** Whether a person must act: trying again does not mend it. */
export function needsPerson(err: Error): boolean {
  return [LoginRefusedError, TlsRefusedError, TlsFileError].some((kind) => err instanceof kind);
}

/** A name with several addresses fails with one error per address and no message of its own. */
export function textOf(err: Error): string {
  const reasons = err instanceof AggregateError ? err.errors.map(reasonOf) : [err.message];
  return [...new Set(reasons)].join('; ') || codeOf(err) || err.name;
}

export function codeOf(err: Error): string {
  return 'code' in err ? String(err.code) : '';
}

/** Without what OpenSSL says about itself, and Node about what one may do to Node. */
export function tlsReasonOf({ message }: Error): string {
  const [, reason] = /error:[0-9A-F]+:[^:]*:[^:]*:([^:\n]+)/.exec(message) ?? [];
  return reason ?? message.replace(/; if the root CA .*$/s, '');
}

/** Whether a certificate is refused for what it is made of, of which Node tells no code. */
export function isTooWeak({ message }: Error): boolean {
  return /too (weak|small)/.test(message);
}

/** The codes of certificates that fail the check have no prefix of their own. @see Node, "X509 certificate error codes" */
export function isTls(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|ERROR_IN_C|DEPTH_ZERO_|SELF_SIGNED_|INVALID_|UNSPECIFIED$|EPROTO$|HOSTNAME_M|PATH_LENGTH)/.test(
    code,
  );
}

function tlsRemedy(code: string, cause: Error): string {
  if (isTooWeak(cause)) return 'Renew the certificate of the broker, with a key of 2048 bits and SHA-256.';
  if (/ALERT|HANDSHAKE_FAILURE/.test(code))
    return 'Give this client a certificate that the broker accepts: mb.tls.cert and mb.tls.key.';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return 'Renew the certificate of the broker; if it is valid, set the clock of this machine.';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'Write the name that is in the certificate of the broker into mb.urls, or into mb.tls.servername.';
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'EPROTO' || /PACKET_LENGTH/.test(code))
    return 'Check that this port of the broker speaks TLS; if not, write mqtt:// into mb.urls, or mb.tls = false.';
  return 'Name the certificate of the authority that signed that of the broker in mb.tls.ca.';
}
