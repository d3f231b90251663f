import { ArtifactTimeoutError } from './failures.ts';
import { isForeign } from './git/repository.ts';
import { createTurns } from './turns.ts';
import type { Wish } from './wish.ts';

/** Never leaves the artifacts: the clone is out of the way, and another one can be made. */
export class DamageError extends Error {
  override readonly name = 'DamageError';
}

/** One job at a time per path, each with a deadline that starts with its turn. */
export function createJobs(timeoutMs: number) {
  const inTurn = createTurns();
  return <T>(
    wish: Wish,
    job: {
      signal: AbortSignal;
      work: (deadline: AbortSignal) => Promise<T>;
      failure: (cause: unknown) => Promise<Error>;
    },
  ): Promise<T> =>
    inTurn(wish.path, job.signal, async () => {
      const timeout = AbortSignal.timeout(timeoutMs);
      try {
        return await job.work(AbortSignal.any([job.signal, timeout]));
      } catch (error) {
        job.signal.throwIfAborted();
        if (timeout.aborted) throw new ArtifactTimeoutError(wish, { timeoutMs });
        const cause = error instanceof DamageError ? error.cause : error;
        throw isForeign(cause) ? await job.failure(cause) : error;
      }
    });
}
