import { readdirSync, statSync } from 'node:fs';
import { readMemory } from '../bench/process.ts';

/** The agent at one moment. */
export type Sample = {
  /** Since it became active. */
  readonly seconds: number;
  readonly rssBytes: number;
  /** Its own memory, without the files that are mapped. */
  readonly ownBytes: number;
  /** Open files, sockets and pipes. */
  readonly handles: number;
  readonly journalBytes: number;
};

export type Verdict = { readonly isFlat: boolean; readonly reasons: readonly string[] };

/** What a quiet process may gain by chance: a page more of heap, a connection that is just being made. */
const slack = { ownFactor: 1.05, ownBytes: 6 * 1024 * 1024, handles: 3 } as const;
/** The journal is compacted at 1 MiB; a line more than that may be in it. */
const journalLimitBytes = 1_048_576 + 65_536;
const mib = (bytes: number) => (bytes / 1_048_576).toFixed(1).padStart(8);

/** @throws the error of the system once the process is gone */
export function takeSample(agent: { pid: number; journal: string }, seconds: number): Sample {
  const { rss, anon } = readMemory(agent.pid);
  return {
    seconds,
    rssBytes: rss,
    ownBytes: anon,
    handles: readdirSync(`/proc/${agent.pid}/fd`).length,
    journalBytes: statSync(agent.journal).size,
  };
}

export const tableHead = ' seconds  rss MiB  own MiB  handles  journal KiB';

export function rowOf({ seconds, rssBytes, ownBytes, handles, journalBytes }: Sample): string {
  const kib = (journalBytes / 1_024).toFixed(1).padStart(12);
  return `${seconds.toFixed(0).padStart(8)} ${mib(rssBytes)} ${mib(ownBytes)} ${String(handles).padStart(8)} ${kib}`;
}

/** The last third against the second one; the first third is the warming up. */
export function judge(samples: readonly Sample[]): Verdict {
  const third = Math.floor(samples.length / 3);
  if (third === 0) return { isFlat: false, reasons: ['too few samples to tell'] };
  const [before, after] = [samples.slice(third, -third), samples.slice(-third)];
  const reasons: string[] = [];
  const own = [before, after].map((part) => median(part.map(({ ownBytes }) => ownBytes)));
  const handles = [before, after].map((part) => median(part.map((sample) => sample.handles)));
  const [ownBefore = 0, ownAfter = 0] = own;
  const [handlesBefore = 0, handlesAfter = 0] = handles;
  if (ownAfter > ownBefore * slack.ownFactor + slack.ownBytes)
    reasons.push(`memory grows: from ${mib(ownBefore).trim()} to ${mib(ownAfter).trim()} MiB`);
  if (handlesAfter > handlesBefore + slack.handles)
    reasons.push(`handles are not closed: from ${handlesBefore} to ${handlesAfter}`);
  const journalBytes = Math.max(...samples.map((sample) => sample.journalBytes));
  if (journalBytes > journalLimitBytes) reasons.push(`the journal is ${journalBytes} bytes long`);
  return { isFlat: reasons.length === 0, reasons };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}
