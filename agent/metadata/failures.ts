import { AgentError } from '../../state/errors.ts';

/** What was asked, of whom; no values: passwords of databases are told that way. */
export type Involved = {
  /** Without user info. */
  readonly url: string;
  readonly action: 'read' | 'write' | 'delete';
  readonly key: string;
  readonly cluster?: string;
};

/** Nobody answers there, or not with more than an error of its own; it was tried for a while. */
export class MetadataUnavailableError extends AgentError {
  override readonly name = 'MetadataUnavailableError';
  readonly code = 'METADATA_UNAVAILABLE';
  readonly remedy: string;

  constructor(involved: Involved, { cause, attempts }: { cause: Error; attempts: number }) {
    super(`cannot ${askedOf(involved)}: ${cause.message}`, { cause, facts: { ...involved, attempts } });
    this.remedy =
      'See that the metadata service runs and knows this application, and that metadata.service.url and firewalls are right.';
  }
}

/** Its certificate is none we trust. There is no way around it. */
export class MetadataCertificateError extends AgentError {
  override readonly name = 'MetadataCertificateError';
  override readonly lasting = true;
  readonly code = 'METADATA_CERTIFICATE_REFUSED';
  readonly remedy =
    'Install the authority of that certificate on this machine and start the agent with NODE_USE_SYSTEM_CA=1, or name its file in NODE_EXTRA_CA_CERTS; the name in metadata.service.url must be one of the certificate.';

  constructor(involved: Involved, { cause }: { cause: Error }) {
    super(`cannot ${askedOf(involved)}: ${cause.message}`, { cause, facts: { ...involved } });
  }
}

/** It does not let us in: 401 or 403. */
export class MetadataForbiddenError extends AgentError {
  override readonly name = 'MetadataForbiddenError';
  override readonly lasting = true;
  readonly code = 'METADATA_FORBIDDEN';
  readonly remedy = 'Check TOKEN among the launch parameters: its claim appId must be APPLICATION_ID.';

  constructor(involved: Involved, status: number) {
    super(`cannot ${askedOf(involved)}: status ${status}`, { facts: { ...involved, status } });
  }
}

/** It says no, or wants us elsewhere, where the token will not go. */
export class MetadataRefusedError extends AgentError {
  override readonly name = 'MetadataRefusedError';
  override readonly lasting = true;
  readonly code = 'METADATA_REFUSED';
  readonly remedy =
    'Check that metadata.service.url names the service itself, with its scheme and port: redirects are not followed.';

  constructor(involved: Involved, status: number) {
    super(`cannot ${askedOf(involved)}: status ${status}`, { facts: { ...involved, status } });
  }
}

/** What came back is no answer to what was asked. */
export class MetadataAnswerError extends AgentError {
  override readonly name = 'MetadataAnswerError';
  readonly code = 'METADATA_ANSWER_INVALID';
  readonly remedy = 'Check that it is the metadata service that answers at metadata.service.url.';

  /** The cause has parts of the answer in it, and so is left out. */
  constructor(involved: Involved, reason: string) {
    super(`cannot ${askedOf(involved)}: the answer is ${reason}`, { facts: { ...involved, reason } });
  }
}

/** There is no token, or none that can be sent. */
export class MetadataTokenError extends AgentError {
  override readonly name = 'MetadataTokenError';
  override readonly lasting = true;
  readonly code = 'METADATA_TOKEN_INVALID';
  readonly remedy = 'Give the instance its TOKEN among the launch parameters, in one line.';

  constructor(involved: Involved) {
    super(`cannot ${askedOf(involved)}: there is no TOKEN that could be sent`, { facts: { ...involved } });
  }
}

/** A plugin asked for what cannot be asked for. */
export class MetadataInputError extends AgentError {
  override readonly name = 'MetadataInputError';
  override readonly lasting = true;
  readonly code = 'METADATA_INPUT_INVALID';
  readonly remedy = 'Correct the plugin that asked.';

  constructor(what: string, wanted: string) {
    super(`cannot ask the metadata service: ${what} must be ${wanted}`, { facts: { what } });
  }
}

function askedOf({ action, key, cluster, url }: Involved): string {
  return `${action} metadata ${JSON.stringify(key)}${cluster === undefined ? '' : ` of cluster ${cluster}`} at ${url}`;
}
