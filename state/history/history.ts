import { z } from 'zod';
import { Provenance } from '../provenance.ts';

/**
 * What `history --json` prints. Fields are only ever added; times are RFC 3339 in UTC; what is not known is null.
 *
 * @see operators.md, "history"
 */
export const History = z.object({
  schema: z.literal('cartridge-agent.history/1'),
  at: z.iso.datetime().describe('When this was asked.'),
  memberId: z.string().nullable(),
  records: z.array(Provenance).describe('Oldest first.'),
  problems: z.array(z.string()).describe('What is wrong with the journal.'),
});
export type History = z.infer<typeof History>;

/** Those that put the commit in place, found something in its place, or replaced it. */
export function recordsAbout(
  records: readonly Provenance[],
  { commitPrefix, tenantId }: { commitPrefix: string | null; tenantId: string | null },
): Provenance[] {
  const isMeant = (commit: string | null) => commit?.startsWith(commitPrefix ?? '') === true;
  return records
    .filter((record) => tenantId === null || record.tenantId === tenantId)
    .filter(({ commit, oldCommit }) => commitPrefix === null || isMeant(commit) || isMeant(oldCommit));
}
