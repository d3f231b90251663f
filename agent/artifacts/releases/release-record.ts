import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from '../../log.ts';
import { writeDurably } from '../files/durable.ts';

const rejectedAtMost = 100;
const reasonAtMost = 500;

/** What was found out about commits; it is kept beside the releases. Which one is current, the link says. */
const ReleaseRecord = z.object({
  good: z.array(z.string()).describe('Commits that served well; the one found so last is the last.'),
  rejected: z
    .array(z.object({ commit: z.string(), reason: z.string() }))
    .describe('Commits that are not tried again; the newest is the last.'),
});
export type ReleaseRecord = z.infer<typeof ReleaseRecord>;

/** The record of a folder of releases; an empty one when there is none, or none that can be read. */
export async function readRecord(folder: string, log: Log): Promise<ReleaseRecord> {
  const file = fileIn(folder);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return { good: [], rejected: [] };
  const parsed = parse(text);
  if (parsed !== null) return parsed;
  // We replace it in one step, so another hand was in it. The releases are whole, and the next one is judged anew.
  await rename(file, `${file}.damaged`);
  log.warn({ event: 'artifact.record-damaged', file: `${file}.damaged` }, 'which releases were good is not known');
  return { good: [], rejected: [] };
}

/** Returns when the record outlives a power cut. */
export async function writeRecord(folder: string, record: ReleaseRecord): Promise<void> {
  await writeDurably(fileIn(folder), `${JSON.stringify(record, null, 2)}\n`);
}

/** The commit is the last good one from now on. */
export function withGood(record: ReleaseRecord, commit: string): ReleaseRecord {
  return {
    good: [...record.good.filter((other) => other !== commit), commit],
    rejected: record.rejected.filter((other) => other.commit !== commit),
  };
}

/** The commit is not good, and not to be tried again. */
export function withRejected(record: ReleaseRecord, commit: string, reason: string): ReleaseRecord {
  const others = record.rejected.filter((other) => other.commit !== commit);
  return {
    good: record.good.filter((other) => other !== commit),
    rejected: [...others, { commit, reason: reason.slice(0, reasonAtMost) }].slice(-rejectedAtMost),
  };
}

function parse(text: string): ReleaseRecord | null {
  try {
    return ReleaseRecord.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function fileIn(folder: string): string {
  return join(folder, 'releases.json');
}
