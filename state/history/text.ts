import { type Provenance, shortFingerprint } from '../provenance.ts';

const shownPaths = 5;
const shortLength = 7;

/** What a record is about decides how it is coloured: good to see, or worth a look. */
const colours: Readonly<Record<Provenance['what'], string>> = {
  placed: '32',
  restored: '32',
  committed: '32',
  drifted: '33',
  rolledBack: '33',
  removed: '2',
};

/**
 * `2026-03-04 09:52:11Z  3f9c2ab  running, 2 files changed since 81aa0e1  "Fix login"  fingerprint tree:9f1c04be77d1`, a line
 * for each record. The tenant is named only where there are several.
 */
export function historyText(records: readonly Provenance[], { colour }: { colour: boolean }): string {
  const severalTenants = new Set(records.map(({ tenantId }) => tenantId)).size > 1;
  const paint = (code: string, text: string) => (colour && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text);
  const lines = records.map((record) => {
    const { at, what, tenantId, commit, fingerprint } = record;
    const columns = [
      paint('2', timeOf(at)),
      severalTenants ? `tenant ${tenantId}` : '',
      shortCommit(commit),
      paint(colours[what], happened(record)),
      ...origin(record),
      fingerprint === null ? '' : paint('2', `fingerprint ${shortFingerprint(fingerprint)}`),
    ];
    return `${columns.filter((column) => column !== '').join('  ')}\n`;
  });
  return lines.join('');
}

function happened({ what, oldCommit, changedFiles, reason, paths }: Provenance): string {
  switch (what) {
    case 'placed':
      return `running${changes(changedFiles, oldCommit)}`;
    case 'rolledBack':
      return `rolled back${oldCommit === null ? '' : ` from ${shortCommit(oldCommit)}`}: ${reason ?? 'reason unknown'}`;
    case 'drifted':
      return `drifted: ${named(paths, changedFiles)}`;
    case 'restored':
      return `restored: ${named(paths, changedFiles)}`;
    case 'committed':
      return `local changes committed: ${named(paths, changedFiles)}`;
    case 'removed':
      return 'removed';
  }
}

function changes(changedFiles: number | null, oldCommit: string | null): string {
  if (changedFiles === null) return oldCommit === null ? '' : `, before it ${shortCommit(oldCommit)}`;
  if (oldCommit === null) return `, the first commit, ${files(changedFiles)}`;
  return `, ${files(changedFiles)} changed since ${shortCommit(oldCommit)}`;
}

function files(count: number): string {
  return count === 1 ? '1 file' : `${count} files`;
}

function named(paths: readonly string[], count: number | null): string {
  const shown = paths.slice(0, shownPaths);
  const more = Math.max(count ?? 0, paths.length) - shown.length;
  if (shown.length === 0) return count === null ? 'files unknown' : files(count);
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

/** Of what has come new. Who drifted away from a commit has not been there when it came. */
function origin({ what, subject, signedBy }: Provenance): string[] {
  if (what === 'drifted' || what === 'restored' || what === 'removed') return [];
  return [subject ? `"${subject}"` : '', signedBy === null ? '' : `signed by ${signedBy}`];
}

function shortCommit(commit: string): string {
  return commit.slice(0, shortLength);
}

/** Without the fraction of a second: `2026-03-04 09:52:11Z`. */
function timeOf(at: string): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
