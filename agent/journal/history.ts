/** The last lines of a journal, which outlive its compaction: for people, and for whoever asks what led to this. */
export type History = {
  /** @param line - with its line feed; `at`: when it was written, UTC */
  push(line: string, at: string): void;
  /** In order, none too old. */
  lines(nowMs: number): string[];
  /** The file begins with lines that are too old. */
  isOld(nowMs: number): boolean;
  /** To be told when the file holds nothing but `lines` any more. */
  compacted(nowMs: number): void;
};

const maxBytes = 32_768;
const maxAgeMs = 30 * 24 * 3_600_000;

export function createHistory(): History {
  let kept: { line: string; at: number }[] = [];
  let bytes = 0;
  let beganAt = Number.NaN;
  // A time that cannot be read, or is yet to come, is not old.
  const isTooOld = (at: number, nowMs: number) => nowMs - at > maxAgeMs;
  const young = (nowMs: number) => kept.filter(({ at }) => !isTooOld(at, nowMs));
  return {
    push(line, at) {
      kept.push({ line, at: Date.parse(at) });
      bytes += line.length;
      if (Number.isNaN(beganAt)) beganAt = Date.parse(at);
      while (bytes > maxBytes) bytes -= kept.shift()?.line.length ?? bytes;
    },
    lines: (nowMs) => young(nowMs).map(({ line }) => line),
    isOld: (nowMs) => isTooOld(beganAt, nowMs),
    compacted(nowMs) {
      kept = young(nowMs);
      bytes = kept.reduce((sum, { line }) => sum + line.length, 0);
      beganAt = kept[0]?.at ?? Number.NaN;
    },
  };
}
