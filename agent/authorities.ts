import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';

/**
 * Whom to trust, as Node's TLS options. Node by itself knows nothing of the authorities that a site has added to those of
 * its system.
 *
 * @param path - of a PEM file; null for what this system and Node trust
 * @throws the error of the system, or one that says that there is no certificate in it
 */
export function trustIn(path: string | null) {
  if (path === null) return { ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system')])] };
  // What is named is trusted, be it the server's own certificate or one in the middle of the chain.
  return { ca: certificatesIn(path), allowPartialTrustChain: true };
}

function certificatesIn(path: string): Buffer {
  const bytes = readFileSync(path);
  // Of a file without a certificate Node would make that nobody is trusted, without a word.
  if (!bytes.includes('-----BEGIN') || !isCertificate(bytes))
    throw new Error(`no certificate in PEM format in ${path}`);
  return bytes;
}

function isCertificate(bytes: Buffer): boolean {
  try {
    return new X509Certificate(bytes).serialNumber !== '';
  } catch {
    return false;
  }
}
