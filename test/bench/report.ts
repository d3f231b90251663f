import { type Measure, type MeasureName, measures, type Unit } from './measures.ts';

/** What became of one measure. */
export type Result = {
  readonly name: MeasureName;
  readonly what: string;
  readonly unit: Unit;
  readonly target: Measure['target'];
  readonly original: number | null;
  readonly median: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** In the order of the runs. */
  readonly values: readonly number[];
  /** Null: there is no target, or nothing was measured. */
  readonly verdict: 'ok' | 'missed' | null;
};

/** One result for each measure that was asked for, in the order of the catalogue. */
export function resultsOf(values: ReadonlyMap<MeasureName, readonly number[]>): Result[] {
  return [...values.keys()].sort(byCatalogue).map((name) => {
    const measured = values.get(name) ?? [];
    const sorted = measured.toSorted((one, other) => one - other);
    const median = medianOf(sorted);
    const [min = null, max = null] = [sorted[0], sorted.at(-1)];
    const { what, ...measure } = measures[name];
    const verdict = verdictOf(measure.target, median);
    return { name, what: what.trim(), ...measure, median, min, max, values: measured, verdict };
  });
}

/** The table for people. */
export function tableOf(results: readonly Result[]): string {
  const head = ['', 'target', 'original', 'median', 'from', 'to', 'runs', ''];
  const rows = results.map(({ name, unit, target, original, median, min, max, values, verdict }) => [
    measures[name].what,
    targetText(target, unit),
    ...[original, median, min, max].map((value) => amount(value, unit)),
    String(values.length),
    verdict === 'missed' ? 'MISSED' : (verdict ?? ''),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [head, ...rows].map((row) => `${line(row)}\n`).join('');
}

function byCatalogue(one: MeasureName, other: MeasureName): number {
  const names = Object.keys(measures);
  return names.indexOf(one) - names.indexOf(other);
}

function medianOf(sorted: readonly number[]): number | null {
  const [lower, upper] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return lower === undefined || upper === undefined ? null : (lower + upper) / 2;
}

function verdictOf(target: Measure['target'], median: number | null): Result['verdict'] {
  if (target === null || median === null) return null;
  const isMet = 'atMost' in target ? median <= target.atMost : median >= target.atLeast;
  return isMet ? 'ok' : 'missed';
}

function targetText(target: Measure['target'], unit: Unit): string {
  if (target === null) return '';
  return 'atMost' in target ? `<= ${amount(target.atMost, unit)}` : `>= ${amount(target.atLeast, unit)}`;
}

const units: Readonly<Record<Unit, (value: number) => string>> = {
  ms: (value) => `${(value / 1000).toFixed(3)} s`,
  us: (value) => `${Math.round(value).toLocaleString('en')} us`,
  bytes: (value) => `${(value / 1024 ** 2).toFixed(1)} MB`,
  perSecond: (value) => `${Math.round(value).toLocaleString('en')} /s`,
  cpuMs: (value) => `${(value / 1000).toFixed(2)} s`,
  cpuMsPerMinute: (value) => `${(value / 1000).toFixed(2)} s`,
  cpuUsPerEvent: (value) => `${value.toFixed(1)} us`,
  messages: (value) => value.toLocaleString('en'),
  times: (value) => `${value.toFixed(2)} x`,
};

function amount(value: number | null, unit: Unit): string {
  return value === null ? '-' : units[unit](value);
}
