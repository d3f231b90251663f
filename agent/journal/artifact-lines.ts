import type { Provenance } from '../../state/provenance.ts';

/** The lines that say what this instance runs, and where that came from. They outlive the others: people ask late. */
export type ArtifactLines = {
  /** @param record - null if this version cannot read it: the line is kept for one that can; `order`: of all lines */
  push(line: string, record: Provenance | null, order: number): void;
  /** In the order they were written. */
  all(): readonly ArtifactLine[];
  readonly sizeBytes: number;
};

export type ArtifactLine = { readonly line: string; readonly record: Provenance | null; readonly order: number };

const maxLines = 100;
const maxBytes = 262_144;

export function createArtifactLines(): ArtifactLines {
  const kept: ArtifactLine[] = [];
  let sizeBytes = 0;
  /** That of a tenant whose artifact is in place tells after a restart what is served: it stays as long as it can. */
  const isNewestOfTenant = ({ record }: ArtifactLine, index: number) =>
    record !== null &&
    record.what !== 'removed' &&
    !kept.slice(index + 1).some((later) => later.record?.tenantId === record.tenantId);

  function dropOne(): void {
    const index = kept.findIndex((it, at) => !isNewestOfTenant(it, at));
    if (index === -1 && sizeBytes <= maxBytes) return;
    for (const { line } of kept.splice(Math.max(0, index), 1)) sizeBytes -= Buffer.byteLength(line);
  }

  return {
    push(line, record, order) {
      kept.push({ line, record, order });
      sizeBytes += Buffer.byteLength(line);
      while (sizeBytes > maxBytes && kept.length > 1) dropOne();
      if (kept.length > maxLines) dropOne();
    },
    all: () => kept,
    get sizeBytes() {
      return sizeBytes;
    },
  };
}

/** What those lines say, oldest first. */
export function recordsIn(lines: ArtifactLines): Provenance[] {
  return lines.all().flatMap(({ record }) => record ?? []);
}

/** The last record of each tenant. */
export function newestIn(lines: ArtifactLines): Provenance[] {
  return [...new Map(recordsIn(lines).map((record) => [record.tenantId, record])).values()];
}
