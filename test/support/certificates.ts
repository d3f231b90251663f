import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from './current-test.ts';

/** Paths of PEM files. */
export type Certificate = { readonly cert: string; readonly key: string };

export type Authority = {
  readonly ca: string;
  /**
   * @param names - as `DNS:localhost,IP:127.0.0.1`; `days`: how long it is valid, below 0: it was until then; `bits`: of an
   * RSA key, instead of one that is safe
   */
  issue(names: string, options?: { days?: number; bits?: number }): Certificate;
};

/** Without it, what needs it is left out; in CI it is required. */
export const hasOpenssl = process.env['CI'] !== undefined || isInstalled();

/** An authority of our own; its files are gone after the test. */
export function createAuthority(name = 'authority'): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [ca, caKey] = [join(folder, 'ca.pem'), join(folder, 'ca-key.pem')];
  openssl('req', '-x509', ...newKey(caKey), '-days', '2', '-subj', `/CN=${name}`, '-out', ca);
  let issued = 0;
  return {
    ca,
    issue(names, { days = 2, bits } = {}) {
      issued += 1;
      const [cert, key, request, extensions] = ['cert', 'key', 'request', 'extensions'].map((part) =>
        join(folder, `${issued}-${part}.pem`),
      ) as [string, string, string, string];
      writeFileSync(extensions, `subjectAltName=${names}\n`);
      openssl('req', ...newKey(key, bits), '-subj', `/CN=issued-${issued}`, '-out', request);
      const signing = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', String(days), '-extfile', extensions];
      openssl('x509', '-req', '-in', request, ...signing, '-out', cert);
      return { cert, key };
    },
  };
}

function newKey(path: string, bits?: number): string[] {
  const kind = bits === undefined ? ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'] : [`rsa:${bits}`];
  return ['-newkey', ...kind, '-nodes', '-keyout', path];
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

function isInstalled(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
