import type { JournalEntry } from '../../agent/journal/journal.ts';
import type { Provenance } from '../../state/provenance.ts';

/** A commit of shop.git that was put in place, but for what is given. */
export function provenance(changed: Partial<Provenance> = {}): Provenance {
  return {
    at: '2026-03-04T09:52:11.040Z',
    what: 'placed',
    trigger: 'event',
    tenantId: '1',
    repoUrl: 'https://git.example.org/shop.git',
    branch: 'main',
    commit: '3f9c2ab000000000000000000000000000000000',
    oldCommit: '81aa0e1000000000000000000000000000000000',
    authorDate: '2026-03-04T09:50:00Z',
    subject: 'Fix login',
    fingerprint: `9f1c04be77d1${'0'.repeat(52)}`,
    signedBy: null,
    changedFiles: 2,
    durationMs: 812,
    reason: null,
    paths: [],
    ...changed,
  };
}

/** The line of such a record. */
export function artifact(changed: Partial<Provenance> = {}): JournalEntry {
  return { kind: 'artifact', record: provenance(changed) };
}
