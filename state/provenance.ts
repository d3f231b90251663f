import { z } from 'zod';

const text = z.string().nullable().catch(null);
const count = z.number().int().nonnegative().nullable().catch(null);

/** What happened to the artifact of a tenant. */
export const provenanceKinds = ['placed', 'rolledBack', 'drifted', 'restored', 'committed', 'removed'] as const;
/** Why it happened: somebody told, it was time to look, the agent started, a commit did not work, a person asked. */
export const provenanceTriggers = ['event', 'interval', 'restart', 'rollback', 'operator'] as const;

/**
 * What an instance runs, and where that comes from: one record for each time it changed. Read tolerantly, for an older or
 * newer version may have written it: what is not known is null.
 */
export const Provenance = z.object({
  at: z.iso.datetime().describe('When it was done.'),
  what: z.enum(provenanceKinds),
  trigger: z.enum(provenanceTriggers).nullable().catch(null),
  tenantId: z.string(),
  repoUrl: text.describe('Without user info.'),
  branch: text.describe('Branch, tag or commit, as configured; null: the default branch of the repository.'),
  commit: z.string().describe('In place from then on; of `removed`: in place until then.'),
  oldCommit: text.describe('In place until then, if it was another one.'),
  authorDate: text.describe('Of the commit.'),
  subject: text.describe('Of the commit: one line.'),
  fingerprint: text.describe('Of the tree of the commit: 64 hexadecimal digits.'),
  signedBy: text.describe('The principal whose key has signed the commit, or its tag; null: nobody had to.'),
  changedFiles: count.describe('How many the commit changed, or how many have drifted.'),
  durationMs: count.describe('Of fetching and placing.'),
  reason: text.describe('Of `rolledBack`: what was wrong with `oldCommit`.'),
  paths: z.array(z.string()).catch([]).describe('That have drifted, or were restored or committed: the first 20.'),
});
export type Provenance = z.infer<typeof Provenance>;

const maxPaths = 20;
const longest = { url: 1_000, name: 250, line: 500, path: 250 };

/** The record as it may be kept and published: every text in it is one printable line of bounded length. */
export function boundedProvenance(record: Provenance): Provenance {
  const { tenantId, repoUrl, branch, commit, oldCommit, authorDate, subject, fingerprint, signedBy, reason } = record;
  const line = (value: string | null, limit: number) => (value === null ? null : printableLine(value, limit));
  return {
    ...record,
    tenantId: printableLine(tenantId, longest.name),
    repoUrl: line(repoUrl, longest.url),
    branch: line(branch, longest.name),
    commit: printableLine(commit, longest.name),
    oldCommit: line(oldCommit, longest.name),
    authorDate: line(authorDate, longest.name),
    subject: line(subject, longest.name),
    fingerprint: line(fingerprint, longest.name),
    signedBy: line(signedBy, longest.name),
    reason: line(reason, longest.line),
    paths: record.paths.slice(0, maxPaths).map((path) => printableLine(path, longest.path)),
  };
}

/** A fingerprint as people compare it: `tree:9f1c04be77d1`. */
export function shortFingerprint(fingerprint: string): string {
  return `tree:${fingerprint.slice(0, 12)}`;
}

/** One line that shows what it says: what moves a cursor or turns the direction of writing is replaced. */
export function printableLine(value: string, limit: number): string {
  const short = value.length > limit ? `${value.slice(0, limit - 1)}…` : value;
  return short.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
}
