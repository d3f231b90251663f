import type { Secret } from '../../state/secret.ts';

/**
 * Why there was no answer, as one error that can be shown: `fetch` says only that it failed, and what lies beneath may have
 * parts of a message in it, where a service that sends everything back has put the token.
 */
export function describedCause(thrown: unknown, token: Secret | null): Error & { code: string } {
  const deepest = causesOf(thrown).at(-1);
  const code = deepest !== undefined && 'code' in deepest ? String(deepest.code) : '';
  // A name with several addresses fails with an AggregateError, which has a code but no message.
  const text = deepest?.name === 'TimeoutError' ? 'no answer in time' : deepest?.message || code || 'no answer';
  const secret = token?.reveal() ?? '';
  const clean = secret === '' ? text : text.replaceAll(secret, '[redacted]');
  // Node adds what one may do to Node.
  return Object.assign(new Error(clean.replace(/; if the root CA .*$/s, '')), { code });
}

/** Trying again mends none of these. */
export function isAboutCertificate({ code }: { code: string }): boolean {
  return /CERT|SELF_SIGNED|^UNABLE_TO_(GET|VERIFY)|^INVALID_(CA|PURPOSE)|^HOSTNAME_MISMATCH/.test(code);
}

function causesOf(thrown: unknown): Error[] {
  const causes: Error[] = [];
  for (let error = thrown; error instanceof Error && causes.length < 10; error = error.cause) causes.push(error);
  return causes;
}
