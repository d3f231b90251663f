import type { Log } from '../../log.ts';
import type { GitProgress } from './git.ts';

const tellEveryMs = 1_000;
const logEveryMs = 10_000;

/**
 * Git's own figures for people: what somebody looks at is fresh, the log gets few lines, and a short job none.
 *
 * @param options - `tell`: given words while there is something to tell, and null once the job has ended
 * @returns to be called with each figure, and with null at the end of a job
 */
export function createProgress({ tell, log }: { tell: (tenantId: string, text: string | null) => void; log: Log }) {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  let isTold = false;

  return (tenantId: string, progress: GitProgress | null): void => {
    const nowMs = performance.now();
    if (progress === null) {
      if (isTold) tell(tenantId, null);
      isTold = false;
      loggedAtMs = Number.NEGATIVE_INFINITY;
      return;
    }
    // The first figure only starts the clock: most jobs are over before anybody could read it.
    if (loggedAtMs === Number.NEGATIVE_INFINITY) loggedAtMs = nowMs;
    if (nowMs - loggedAtMs >= logEveryMs) {
      loggedAtMs = nowMs;
      log.info({ event: 'artifact.progress', tenantId, ...progress }, 'artifact on its way');
    }
    if (nowMs - toldAtMs < tellEveryMs) return;
    toldAtMs = nowMs;
    isTold = true;
    tell(tenantId, textOf(progress));
  };
}

function textOf({ stage, percent, processed, total }: GitProgress): string {
  return `git: ${stage} ${percent} % (${processed} of ${total})`;
}
