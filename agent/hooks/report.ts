import { z } from 'zod';
import type { Log } from '../log.ts';
import { createLines } from './lines.ts';

/** What a script says on file descriptor 3: one JSON object a line. @see plugins.md, "An executable hook, any language" */
const ReportLine = z.object({
  hold: z.string().optional().describe('Not yet, and why.'),
  retryAfter: z.number().nonnegative().optional().describe('Seconds until it is to be asked again.'),
  veto: z.string().optional().describe('No, and why.'),
  status: z.string().optional().describe('What it is doing, for people.'),
  extend: z.number().nonnegative().optional().describe('Seconds it needs beyond its limit, as that is now.'),
});

export type Report = {
  take(chunk: Buffer): void;
  end(): void;
  /** The last word counts: a hold after a veto is a hold. */
  verdict(): { kind: 'hold'; reason: string; retryAfterMs: number | null } | { kind: 'veto'; reason: string } | null;
};

const reportLimitBytes = 1024 * 1024;
const lineLimitBytes = 16 * 1024;
const textLimit = 1_000;

/** @param options - `clean`: takes the secrets out of a text; `onLengthen`: told how much it needs beyond its limit */
export function createReport(options: {
  readonly log: Log;
  readonly clean: (text: string) => string;
  readonly onStatus: (text: string) => void;
  readonly onLengthen: (ms: number) => void;
}): Report {
  let takenBytes = 0;
  let ignored = 0;
  let verdict: ReturnType<Report['verdict']> = null;
  const text = (value: string) => options.clean(value).slice(0, textLimit);
  const lines = createLines(lineLimitBytes, (line) => {
    const said = parseLine(line);
    if (said === null) {
      ignored += 1;
      return;
    }
    const retryAfterMs = said.retryAfter === undefined ? null : said.retryAfter * 1_000;
    if (said.hold !== undefined) verdict = { kind: 'hold', reason: text(said.hold), retryAfterMs };
    if (said.veto !== undefined) verdict = { kind: 'veto', reason: text(said.veto) };
    if (said.status !== undefined) options.onStatus(text(said.status));
    if (said.extend !== undefined) options.onLengthen(said.extend * 1_000);
  });
  return {
    take(chunk) {
      takenBytes += chunk.length;
      if (takenBytes > reportLimitBytes) ignored += 1;
      else lines.take(chunk);
    },
    end() {
      lines.end();
      if (ignored === 0) return;
      options.log.warn({ event: 'hook.reportIgnored', ignored }, 'hook wrote to fd 3 what is not a report');
    },
    verdict: () => verdict,
  };
}

function parseLine(line: string): z.infer<typeof ReportLine> | null {
  try {
    const said = ReportLine.parse(JSON.parse(line));
    return Object.keys(said).length === 0 ? null : said;
  } catch {
    return null;
  }
}
