import { printableLine } from '../../../state/provenance.ts';
import type { Repository } from '../git/repository.ts';

/** What a commit says of itself, for people. */
export interface CommitFacts {
  readonly commit: string;
  /** RFC 3339, UTC; null if it has none that can be told. */
  readonly authorDate: string | null;
  /** The first paragraph of its message as one printable line, of at most 250 characters. */
  readonly subject: string;
}

const maxSubjectLength = 250;
/** Of a larger commit the subject is left out: its message is no text that a person has written. */
const maxCommitBytes = 1_048_576;

/**
 * Reads date and subject of a commit. Its author can write there whatever they like: neither is to be relied on.
 *
 * @throws GitError - as for a commit that is not there
 */
export async function readCommitFacts({ run }: Repository, commit: string): Promise<CommitFacts> {
  const sizeBytes = Number(await run(['cat-file', '-s', commit]));
  const subjectFormat = sizeBytes > maxCommitBytes ? '' : '%s';
  const args = [
    'rev-list',
    '--max-count=1',
    '--no-commit-header',
    '--encoding=UTF-8',
    `--format=%at %H ${subjectFormat}`,
  ];
  const [, seconds = '', id = commit, subject = ''] =
    /^(\d*) ([0-9a-f]+) ?(.*)$/s.exec((await run([...args, commit])).trimEnd()) ?? [];
  return { commit: id, authorDate: dateOf(seconds), subject: printableLine(subject, maxSubjectLength) };
}

/** Dates are what the author's clock, or the author, said: years of five digits are none of RFC 3339. */
function dateOf(seconds: string): string | null {
  const date = new Date(Number(seconds || Number.NaN) * 1_000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9_999) return null;
  return date.toISOString().replace('.000Z', 'Z');
}
