import type { ConfigWarning } from '../state/config/problems.ts';
import type { Log } from './log.ts';

/** What the agent can live with in its configuration, one line each. */
export function logConfigWarnings(warnings: readonly ConfigWarning[], log: Log): void {
  for (const { wrong, write, ...place } of warnings) {
    log.warn({ event: 'config.warning', ...place, wrong, remedy: write }, 'configuration needs a look');
  }
}
