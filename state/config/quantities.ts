import { type Kind, kind, quoted } from './kinds.ts';

const milliseconds = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const bytes = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const;

/** What a timer of Node can wait, in ms; beyond it would fire at once. */
const longestMs = 2 ** 31 - 1;

/**
 * A time, read as ms. A plain number is in `unit`: seconds in keys of ours, what it always was in the originals'.
 *
 * @param options - the bounds are in ms, both included
 */
export function duration(unit: 's' | 'ms', { leastMs = 1, mostMs = longestMs } = {}): Kind<number> {
  const form = `a number of ${unit === 's' ? 'seconds' : 'milliseconds'}, or with a unit, as in 500ms, 10s, 10m, 2h`;
  return {
    form: mostMs === longestMs ? form : `${form}; ${shown(leastMs)} to ${shown(mostMs)}`,
    secret: false,
    read: (text) => {
      const ms = parseDuration(text, unit);
      if (ms === null) return { wrong: `${quoted(text)} is not a time` };
      if (ms < leastMs || ms > mostMs)
        return { wrong: `${quoted(text)} is not within ${shown(leastMs)} to ${shown(mostMs)}` };
      return { value: ms };
    },
  };
}

/**
 * The interval of the statistics. The Python agent had it in seconds, the Java agent in ms: 1000 and more is surely ms.
 * A member without statistics for 60 s is declared faulty, so it is always less.
 */
export const statisticsInterval: Kind<number> = {
  ...duration('s', { leastMs: 100, mostMs: 59_000 }),
  read: (text) => {
    const inSeconds = duration('s', { leastMs: 100, mostMs: 59_000 });
    if (!/^\d{4,}$/.test(text) || Number(text) < 1_000) return inSeconds.read(text);
    const reading = inSeconds.read(`${text}ms`);
    return 'wrong' in reading
      ? reading
      : { ...reading, note: `read as ${text} ms, because so many seconds make no sense` };
  },
};

/** A number of bytes; k, m and g are powers of 1024. */
export const size: Kind<number> = kind('a number of bytes, or with k, m or g', 'a size', (text) => {
  const [, digits = '', unit = ''] = /^(\d+)\s*([kmg]?)$/i.exec(text) ?? [];
  const factor = bytes[unit.toLowerCase() as keyof typeof bytes];
  const value = Number(digits) * factor;
  return digits !== '' && value > 0 && Number.isSafeInteger(value) ? value : null;
});

function parseDuration(text: string, unit: 's' | 'ms'): number | null {
  const [, digits, suffix = unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  return Math.round(Number(digits) * milliseconds[suffix.toLowerCase() as keyof typeof milliseconds]);
}

function shown(ms: number): string {
  if (ms === longestMs) return '24 days';
  return ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`;
}
