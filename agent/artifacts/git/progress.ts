import type { Log } from '../../log.ts';
import type { GitProgress } from './git.ts';

const tellEveryMs = 1_000;
const logEveryMs = 10_000;

/**
 * Git's own figures for people: what somebody looks at is fresh, the log gets few lines, the last one where it ended.
 *
 * @param options - `tell`: given words while there is something to tell, and null once the job has ended
 * @returns to be called with each figure, and with null at the end of a job
 */
export function createProgress({ tell, log }: { tell: (tenantId: string, text: string | null) => void; log: Log }) {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  let isTold = false;
  let last: GitProgress | null = null;

  const write = (tenantId: string, progress: GitProgress) =>
    log.info({ event: 'artifact.progress', tenantId, ...progress }, 'artifact on its way');

  return (tenantId: string, progress: GitProgress | null): void => {
    const nowMs = performance.now();
    if (progress === null) {
      if (last !== null) write(tenantId, last);
      if (isTold) tell(tenantId, null);
      isTold = false;
      last = null;
      loggedAtMs = Number.NEGATIVE_INFINITY;
      return;
    }
    last = progress;
    if (loggedAtMs === Number.NEGATIVE_INFINITY) loggedAtMs = nowMs;
    if (nowMs - loggedAtMs >= logEveryMs) {
      loggedAtMs = nowMs;
      write(tenantId, progress);
      last = null;
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
