/** One thing that was looked at. `warning`: the agent takes it, but somebody should look. */
export type Finding = {
  readonly level: 'ok' | 'warning' | 'error';
  /** `loads`, `options`, or a hook. */
  readonly about: string;
  readonly text: string;
  readonly remedy: string | null;
  readonly durationMs: number | null;
};

/** What was found out about one plugin or executable. */
export type Checked = {
  readonly kind: 'plugin' | 'executable';
  readonly name: string;
  readonly version: string | null;
  readonly path: string;
  readonly findings: readonly Finding[];
};

/** Without a remedy, and of what took no time worth telling. */
export function finding(level: Finding['level'], about: string, text: string): Finding {
  return { level, about, text, remedy: null, durationMs: null };
}
