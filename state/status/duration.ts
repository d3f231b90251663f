/** `812 ms`, `38.2 s`, `3 min 10 s`: as exact as a person wants it of something that took time. */
export function shownExactly(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, '')} s`;
  return shown(Math.round(ms / 1_000) * 1_000);
}

/** `6 s`, `3 min 10 s`, `12 min`, `2 h 14 min`, `3 d 4 h`: of something that goes on, so that it changes no more often than one looks. */
export function shown(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600), Math.floor(seconds / 86_400)];
  if (minutes < 1) return `${seconds} s`;
  if (minutes < 10) return pair(minutes, 'min', seconds % 60, 's');
  if (hours < 1) return `${minutes} min`;
  if (days < 1) return pair(hours, 'h', minutes % 60, 'min');
  return pair(days, 'd', hours % 24, 'h');
}

function pair(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
}
