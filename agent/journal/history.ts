import { type ArtifactLines, createArtifactLines } from './artifact-lines.ts';
import type { Line } from './line.ts';

/** The last lines of a journal, which outlive its compaction: for people, and for whoever asks what led to this. */
export type History = {
  /** @param line - with its line feed; `at`: when it was written, UTC; `said`: what is in it */
  push(line: string, at: string, said: Line | null): void;
  /** In order, none too old, but for those of artifacts, which have limits of their own. */
  lines(nowMs: number): string[];
  readonly artifacts: ArtifactLines;
  /** The file begins with lines that are too old. */
  isOld(nowMs: number): boolean;
  /** To be told when the file holds nothing but `lines` any more. */
  compacted(nowMs: number): void;
};

const maxBytes = 32_768;
const maxAgeMs = 30 * 24 * 3_600_000;

export function createHistory(): History {
  const artifacts = createArtifactLines();
  let kept: { line: string; at: number; order: number }[] = [];
  let order = 0;
  let bytes = 0;
  let beganAt = Number.NaN;
  // A time that cannot be read, or is yet to come, is not old.
  const isTooOld = (at: number, nowMs: number) => nowMs - at > maxAgeMs;
  const young = (nowMs: number) => kept.filter(({ at }) => !isTooOld(at, nowMs));
  return {
    push(line, at, said) {
      order += 1;
      if (said?.kind === 'artifact') return artifacts.push(line, said.record, order);
      kept.push({ line, at: Date.parse(at), order });
      bytes += line.length;
      if (Number.isNaN(beganAt)) beganAt = Date.parse(at);
      while (bytes > maxBytes) bytes -= kept.shift()?.line.length ?? bytes;
    },
    lines: (nowMs) => [...young(nowMs), ...artifacts.all()].sort((a, b) => a.order - b.order).map(({ line }) => line),
    artifacts,
    isOld: (nowMs) => isTooOld(beganAt, nowMs),
    compacted(nowMs) {
      kept = young(nowMs);
      bytes = kept.reduce((sum, { line }) => sum + line.length, 0);
      beganAt = kept[0]?.at ?? Number.NaN;
    },
  };
}
